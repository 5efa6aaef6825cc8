// Files for a composer: inside its form <div data-attach="/address/"> with a list and file fields (components/attach.html).
// Chosen, pasted or dropped, they are sent one after the other while somebody goes on writing; the message waits for them.
// What is said stands in #attach-words. Without this the form sends them itself.
(() => {
  const ENOUGH = 7e6;  // dots: more are not kept, so more are not sent
  const WORTH_IT = 1.5e6;  // bytes from which a picture is made smaller before it is sent
  const waiting = [];
  let sending = null, held = null, failed = false;

  const place = () => document.querySelector("[data-attach]");
  const words = document.getElementById("attach-words").dataset;
  const list = () => place()?.querySelector("ul");
  const say = text => document.dispatchEvent(new CustomEvent("announce", { detail: { value: text } }));
  const made = (tag, of) => Object.assign(document.createElement(tag), of);
  const button = (words, click) => made("button", { type: "button", className: "link-button", textContent: words, onclick: click });

  // What comes back: lines for the list, or a number that says why not.
  const post = (fields, progress, job = {}) => new Promise(resolve => {
    const form = place().closest("form"), data = new FormData(), request = job.request = new XMLHttpRequest();
    data.append("client_token", form.elements.client_token.value);
    for (const [name, value] of fields) data.append(name, value, ...(value.name ? [value.name] : []));
    request.open("POST", place().dataset.attach);
    request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
    request.setRequestHeader("HX-Request", "true");
    request.upload.onprogress = progress;
    request.onloadend = () => {
      const asked = place() && new URL(place().dataset.attach, location).pathname;
      const fine = request.status === 200 && new URL(request.responseURL).pathname === asked;
      resolve(fine ? request.responseText : request.status === 200 ? 401 : request.status);
    };
    request.send(data);
  });

  // A photograph of a phone has three times the dots that are kept. A browser that can't make it smaller sends it as it is.
  const smaller = async file => {
    if (!file.type.startsWith("image/") || file.size < WORTH_IT) return file;
    try {
      const picture = await createImageBitmap(file), canvas = document.createElement("canvas");
      const shrink = Math.min(1, Math.sqrt(ENOUGH / (picture.width * picture.height)));
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
    if (!place() || !files.length) return;
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
    place()?.querySelector("[type=file]").focus();
  };

  const next = async () => {
    if (sending) return;
    if (!(sending = waiting.shift())) return release();
    const job = sending;
    const file = await smaller(job.file);
    const heard = job.stopped ? "" : file.size > words.most ? 413 : await post([["files", file]], event => {
      if (event.lengthComputable && event.loaded < event.total) job.bar.value = event.loaded / event.total;
      else job.bar.removeAttribute("value");  // all is there; it is being looked at
    }, job);
    sending = null;
    if (!job.stopped && place()) show(job, heard);
    next();
  };

  const show = (job, heard) => {
    const lines = document.createElement("template");
    if (typeof heard === "string") {
      lines.innerHTML = heard;  // of our own server
      for (const again of lines.content.querySelectorAll("button")) if (document.getElementById(again.id)) again.closest("li").remove();  // the same file twice is one
    } else {
      const why = heard === 413 ? words.tooLarge : heard === 401 || heard === 403 ? words.signedOut : heard === 0 ? words.lost : document.body.dataset.failed;
      const line = made("li", { className: "field-error" }), name = made("bdi", { textContent: job.file.name });
      line.append(made("span", {}));
      line.firstChild.append(name, `: ${why}`);
      if (heard === 0) line.append(button(words.again, () => { line.remove(); add([job.file]); }));
      lines.content.append(line);
    }
    const error = lines.content.querySelector(".field-error");
    failed ||= Boolean(error);
    say(error ? error.textContent.trim() : `${job.file.name}: ${words.added}`);
    const focused = job.line.contains(document.activeElement), line = lines.content.lastElementChild;
    if (job.line.isConnected) job.line.replaceWith(lines.content);
    else list().append(lines.content);
    line?.scrollIntoView({ block: "nearest" });
    if (focused) place().querySelector("[type=file]").focus();
  };

  // The message was sent while files were on their way: now they are there.
  const release = () => {
    const send = held;
    held = null;
    if (send?.form.isConnected && !failed) send.form.requestSubmit(send.submitter);
    else if (send && place()) say(words.notSent);
    failed = false;
  };
  document.addEventListener("submit", event => {
    if (!sending || !event.target.querySelector?.("[data-attach]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    held = { form: event.target, submitter: event.submitter };
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

  // What can be seen in a picture is kept as it is typed; what was typed last, also when the page is left.
  const described = new Map();  // field: timer
  const describe = (field, leaving = false) => {
    clearTimeout(described.get(field));
    described.delete(field);
    if (!field.isConnected || !place()) return;
    const data = new FormData(), form = field.form;
    data.append("client_token", form.elements.client_token.value);
    data.append(field.name, field.value);
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, "HX-Request": "true" };
    fetch(place().dataset.attach, { method: "POST", headers, body: data, keepalive: leaving }).catch(() => {});  // it also goes with the message
  };
  document.addEventListener("input", event => {
    const field = event.target;
    if (!field.matches("[data-attach] [name^=alt-]")) return;
    clearTimeout(described.get(field));
    described.set(field, setTimeout(describe, 1200, field));
  });
  addEventListener("pagehide", () => { for (const field of [...described.keys()]) describe(field, true); });

  document.addEventListener("click", async event => {
    const gone = event.target.closest?.("[data-attach] [name=take_out]");
    if (!gone) return;
    event.preventDefault();
    const heard = await post([["take_out", gone.value]]);
    if (typeof heard !== "string") return say(document.body.dataset.failed);
    gone.closest("li").remove();
    place().querySelector("[type=file]").focus();
    say(words.removed);
  });

  document.addEventListener("keydown", event => {  // the end of a description is not the end of the message
    if (event.key === "Enter" && event.target.matches("[data-attach] input")) event.preventDefault();
  });

  // A picture that is pasted; what also is text (a table, a page of a word processor) is pasted as its words.
  document.addEventListener("paste", event => {
    const files = event.clipboardData?.files;
    if (!files?.length || event.clipboardData.types.includes("text/plain") || place()?.closest("form") !== event.target.closest?.("form")) return;
    event.preventDefault();
    add(files);
  });
  const dragged = event => place() && event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", event => {
    if (!dragged(event)) return;
    event.preventDefault();
    place().classList.add("over");
  });
  document.addEventListener("dragleave", event => { if (!event.relatedTarget) place()?.classList.remove("over"); });
  document.addEventListener("drop", event => {
    if (!dragged(event)) return;
    event.preventDefault();
    place().classList.remove("over");
    add(event.dataTransfer.files);
  });

  for (const field of document.querySelectorAll("[data-attach] [type=file]")) take(field);
})();
