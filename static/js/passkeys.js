// Creates and uses passkeys. A <form data-passkey="get" or "create" data-options="/url/"> gets the options from its URL
// and posts the result in its field `credential`. These forms are hidden until this file has checked that the browser
// supports passkeys. [data-without-passkeys] is shown in other browsers.
(() => {
  // A passkey belongs to a host name, so it can't work with an IP address.
  if (!window.isSecureContext || !window.PublicKeyCredential || !navigator.credentials || /^[\d.]+$|:/.test(location.hostname)) return;

  const bytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), letter => letter.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // Converts the JSON options to what the browser needs: these values are bytes.
  const withBytes = options => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const credential of [...(options.allowCredentials || []), ...(options.excludeCredentials || [])]) credential.id = bytes(credential.id);
    return options;
  };
  const asJson = credential => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
      if (credential.response[name]) response[name] = text(credential.response[name]);
    const { id, type, authenticatorAttachment } = credential;
    return JSON.stringify({ id, rawId: text(credential.rawId), type, authenticatorAttachment, response, clientExtensionResults: {} });
  };

  const say = (form, words) => {
    const line = form.querySelector("[data-said]");
    line.hidden = !words;
    line.textContent = words;
    document.dispatchEvent(new CustomEvent("announce", { detail: { value: words } }));
  };

  // Returns true if the form was sent.
  const usePasskey = async form => {
    const response = await fetch(form.dataset.options, { method: "POST", body: new FormData(form) });
    // The person was signed out, or has to reauthenticate. Loading the page again says which.
    if (response.redirected) return location.assign(location.href);
    if (response.status === 429) return say(form, await response.text());
    if (!response.ok) throw new Error(`options: ${response.status}`);
    const { publicKey } = await response.json();
    const credential = await navigator.credentials[form.dataset.passkey]({ publicKey: withBytes(publicKey) });
    form.elements.credential.value = asJson(credential);
    form.submit();
    return true;
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) form.addEventListener("submit", async event => {
    if (event.submitter?.hasAttribute("data-plain")) return;
    event.preventDefault();
    if (form.dataset.asking) return;
    form.dataset.asking = "1";
    say(form, "");
    const tell = type => event.submitter?.dispatchEvent(new Event(type, { bubbles: true }));
    tell("busy");
    let sent;
    try {
      sent = await usePasskey(form);
    } catch (error) {
      const words = { NotAllowedError: form.dataset.cancelled, AbortError: form.dataset.cancelled, InvalidStateError: form.dataset.known };
      say(form, words[error.name] || form.dataset.failed);
    }
    if (!sent) tell("ready");
    delete form.dataset.asking;
  });

  for (const part of document.querySelectorAll("[data-passkey], [data-with-passkeys]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-passkeys]")) part.hidden = true;

  // If this device can store a passkey, the portal offers to create one after the sign-in.
  const here = document.getElementById("passkeys-here");
  if (here) PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().then(can => { here.value = can ? "1" : ""; }, () => {});
})();
