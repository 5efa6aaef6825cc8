// Passkeys. What is for them is hidden and shown where the browser can: <form data-passkey="get" or "create" data-options="address">
// asks there what to sign and posts the answer in its field `credential`. [data-without-passkeys] is for the others.
(() => {
  // A passkey belongs to a host name; an address of numbers has none.
  if (!window.isSecureContext || !window.PublicKeyCredential || !navigator.credentials || /^[\d.]+$|:/.test(location.hostname)) return;

  const bytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), letter => letter.charCodeAt(0));
  const text = buffer => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // As the browser wants it, from JSON: what is bytes is named.
  const prepared = options => {
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const known of [...(options.allowCredentials || []), ...(options.excludeCredentials || [])]) known.id = bytes(known.id);
    return options;
  };
  const asJson = made => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
      if (made.response[name]) response[name] = text(made.response[name]);
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} });
  };

  const say = (form, words) => {
    const line = form.querySelector("[data-said]");
    line.hidden = !words;
    line.textContent = words;
    document.dispatchEvent(new CustomEvent("announce", { detail: { value: words } }));
  };

  const ask = async form => {
    const answer = await fetch(form.dataset.options, { method: "POST", body: new FormData(form) });
    if (answer.redirected) return location.assign(location.href);  // signed out meanwhile, or to be proved anew: the page itself says so
    if (answer.status === 429) return say(form, await answer.text());
    if (!answer.ok) throw new Error(`options: ${answer.status}`);
    const { publicKey } = await answer.json();
    const made = await navigator.credentials[form.dataset.passkey]({ publicKey: prepared(publicKey) });
    form.elements.credential.value = asJson(made);
    form.submit();
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) form.addEventListener("submit", async event => {
    if (event.submitter?.hasAttribute("data-plain")) return;
    event.preventDefault();
    if (form.dataset.asking) return;
    form.dataset.asking = "1";
    say(form, "");
    try {
      await ask(form);
    } catch (error) {
      const words = { NotAllowedError: form.dataset.cancelled, AbortError: form.dataset.cancelled, InvalidStateError: form.dataset.known };
      say(form, words[error.name] || form.dataset.failed);
    }
    delete form.dataset.asking;
  });

  for (const part of document.querySelectorAll("[data-passkey], [data-with-passkeys]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-passkeys]")) part.hidden = true;

  // Whether this very device could keep one: then it is offered after the sign-in.
  const here = document.getElementById("passkeys-here");
  if (here) PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().then(can => { here.value = can ? "1" : ""; }, () => {});
})();
