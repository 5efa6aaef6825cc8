// Uploads the files of a composer. Its form has <div data-attach="/url/"> with a list and file fields
// (components/attach.html), and #attach-words has the texts. Files that are chosen, pasted or dropped are uploaded one
// after the other while the person writes. The message waits until they are uploaded. Without this file, the form
// sends the files with the message.
(() => {
  const MAX_PIXELS = 7e6;  // the server stores no picture with more pixels
  const MIN_BYTES_TO_SHRINK = 1.5e6;
  const waiting = [];
  let sending = null, waitingForm = null, failed = false;

  const container = () => document.querySelector("[data-attach]");
  const words = document.getElementById("attach-words").dataset;
  const list = () => container()?.querySelector("ul");
  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const made = (tag, of) => Object.assign(document.createElement(tag), of);
  const tell = (button, type) => button?.dispatchEvent(new Event(type, { bubbles: true }));  // app.js disables it from "busy" until "ready"
  const button = (words, click) => made("button", { type: "button", className: "link-button", textContent: words, onclick: click });

  // Resolves to HTML for the list, or to a status: 401 if the person is signed out, 0 without a connection.
  const post = (fields, progress, job = {}) => new Promise(resolve => {
    const form = container().closest("form"), data = new FormData(), request = job.request = new XMLHttpRequest();
    data.append("client_token", form.elements.client_token.value);
    for (const [name, value] of fields) data.append(name, value, ...(value.name ? [value.name] : []));
    request.open("POST", container().dataset.attach);
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.setRequestHeader("HX-Request", "true");
    request.upload.onprogress = progress;
    request.onloadend = () => {
      const path = container() && new URL(container().dataset.attach, location).pathname;
      // A response from another path is the sign-in page.
      const isOk = request.status === 200 && new URL(request.responseURL).pathname === path;
      resolve(isOk ? request.responseText : request.status === 200 ? 401 : request.status);
    };
    request.send(data);
  });

  // A phone's photograph has three times as many pixels as the server stores, so it is made smaller before the upload.
  // If the browser can't make it smaller, the original is uploaded.
  const shrunk = async file => {
    if (!file.type.startsWith("image/") || file.size < MIN_BYTES_TO_SHRINK) return file;
    try {
      const picture = await createImageBitmap(file), canvas = document.createElement("canvas");
      const shrink = Math.min(1, Math.sqrt(MAX_PIXELS / (picture.width * picture.height)));
      canvas.width = picture.width * shrink;
      canvas.height = picture.height * shrink;
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise(done => canvas.toBlob(done, "image/jpeg", .88));
      return blob && blob.size < file.size ? new File([blob], file.name, { type: "image/jpeg" }) : file;
    } catch { return file; }
  };

  const add = files => {
    if (!container() || !files.length) return;
    for (const old of list().querySelectorAll(".field-error")) old.remove();
    for (const file of files) {
      const job = { file, line: made("li", { className: "sending" }), bar: made("progress", { max: 1, value: 0 }) };
      const name = made("bdi", { textContent: file.name });
      job.bar.setAttribute("aria-label", `${words.sending}: ${file.name}`);
      const about = made("div", { className: "grow" });
      about.append(name, job.bar);
      job.line.append(about, button(words.stop, () => stop(job)));
      list().append(job.line);
      waiting.push(job);
    }
    list().lastElementChild.scrollIntoView({ block: "nearest" });
    next();
  };

  const stop = job => {
    job.stopped = true;
    job.request?.abort();
    if (waiting.includes(job)) waiting.splice(waiting.indexOf(job), 1);
    job.line.remove();
    container()?.querySelector("[type=file]").focus();
  };

  const next = async () => {
    if (sending) return;
    if (!(sending = waiting.shift())) return sendWaiting();
    const job = sending;
    const file = await shrunk(job.file);
    const result = job.stopped ? "" : file.size > words.most ? 413 : await post([["files", file]], event => {
      if (event.lengthComputable && event.loaded < event.total) job.bar.value = event.loaded / event.total;
      else job.bar.removeAttribute("value");  // uploaded, and now checked by the server
    }, job);
    sending = null;
    if (!job.stopped && container()) show(job, result);
    next();
  };

  const show = (job, result) => {
    const lines = document.createElement("template");
    if (typeof result === "string") {
      lines.innerHTML = result;  // HTML from our own server
      // List a file only once, even if it was already uploaded before.
      for (const button of lines.content.querySelectorAll("button")) if (document.getElementById(button.id)) button.closest("li").remove();
    } else {
      const why = result === 413 ? words.tooLarge : result === 401 || result === 403 ? words.signedOut : result === 0 ? words.lost : document.body.dataset.failed;
      const line = made("li", { className: "field-error" }), name = made("bdi", { textContent: job.file.name });
      line.append(made("span", {}));
      line.firstChild.append(name, `: ${why}`);
      if (result === 0) line.append(button(words.again, () => { line.remove(); add([job.file]); }));
      lines.content.append(line);
    }
    const error = lines.content.querySelector(".field-error");
    failed ||= Boolean(error);
    say(error ? error.textContent.trim() : `${job.file.name}: ${words.added}`);
    const focused = job.line.contains(document.activeElement), line = lines.content.lastElementChild;
    if (job.line.isConnected) job.line.replaceWith(lines.content);
    else list().append(lines.content);
    line?.scrollIntoView({ block: "nearest" });
    if (focused) container().querySelector("[type=file]").focus();
  };

  // Sends the message that was waiting for its files.
  const sendWaiting = () => {
    const send = waitingForm;
    waitingForm = null;
    tell(send?.submitter, "ready");
    if (send?.form.isConnected && !failed) send.form.requestSubmit(send.submitter);
    else if (send && container()) say(words.notSent);
    failed = false;
  };
  document.addEventListener("submit", event => {
    if (!sending || !event.target.querySelector?.("[data-attach]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    waitingForm = { form: event.target, submitter: event.submitter };
    tell(event.submitter, "busy");
    say(words.waits);
  }, true);

  const take = field => {
    const files = [...field.files];
    field.value = "";
    add(files);
  };
  document.addEventListener("change", event => {
    const field = event.target;
    if (field.matches("[data-attach] [type=file]")) take(field);
    else if (described.has(field)) describe(field);
  });

  // The description of a picture is saved while it is typed, and also when the person leaves the page.
  const described = new Map();  // {field: timer}
  const describe = (field, leaving = false) => {
    clearTimeout(described.get(field));
    described.delete(field);
    if (!field.isConnected || !container()) return;
    const data = new FormData(), form = field.form;
    data.append("client_token", form.elements.client_token.value);
    data.append(field.name, field.value);
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, "HX-Request": "true" };
    fetch(container().dataset.attach, { method: "POST", headers, body: data, keepalive: leaving }).catch(() => {});  // the description is also sent with the message
  };
  document.addEventListener("input", event => {
    const field = event.target;
    if (!field.matches("[data-attach] [name^=alt-]")) return;
    clearTimeout(described.get(field));
    described.set(field, setTimeout(describe, 1200, field));
  });
  addEventListener("pagehide", () => { for (const field of [...described.keys()]) describe(field, true); });

  document.addEventListener("click", async event => {
    const remove = event.target.closest?.("[data-attach] [name=take_out]");
    if (!remove) return;
    event.preventDefault();
    tell(remove, "busy");
    const result = await post([["take_out", remove.value]]);
    tell(remove, "ready");
    if (typeof result !== "string") return say(document.body.dataset.failed);
    remove.closest("li").remove();
    container().querySelector("[type=file]").focus();
    say(words.removed);
  });

  // Enter in a description must not send the message.
  document.addEventListener("keydown", event => {
    if (event.key === "Enter" && event.target.matches("[data-attach] input")) event.preventDefault();
  });

  // Upload a pasted picture. If the clipboard has text too, as from a word processor, upload nothing: the browser
  // pastes the text.
  document.addEventListener("paste", event => {
    const files = event.clipboardData?.files;
    if (!files?.length || event.clipboardData.types.includes("text/plain") || container()?.closest("form") !== event.target.closest?.("form")) return;
    event.preventDefault();
    add(files);
  });
  const isFileDrag = event => container() && event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", event => {
    if (!isFileDrag(event)) return;
    event.preventDefault();
    container().classList.add("over");
  });
  document.addEventListener("dragleave", event => { if (!event.relatedTarget) container()?.classList.remove("over"); });
  document.addEventListener("drop", event => {
    if (!isFileDrag(event)) return;
    event.preventDefault();
    container().classList.remove("over");
    add(event.dataTransfer.files);
  });

  for (const field of document.querySelectorAll("[data-attach] [type=file]")) take(field);
})();
