// What every page needs before the program that it shows is loaded.
"use strict";

const larder = JSON.parse(document.getElementById("larder-options").textContent);
larder.root = document.getElementById("larder-browser");
larder.dark = matchMedia("(prefers-color-scheme: dark)").matches;
larder.redirectUrl = location.origin + larder.redirect;

// for programs that have colours for both
larder.followScheme = () => {
  document.documentElement.style.colorScheme = larder.dark ? "dark" : "light";
};

// Forms are filled with the examples of parameters, and then ask for a page and a version that never were. What may be
// left out stays empty.
larder.withEmptyForms = (spec) => {
  for (const operation of Object.values(spec.paths).flatMap((path) => Object.values(path))) {
    for (const parameter of operation.parameters ?? []) {
      if (parameter.required) continue;
      for (const node of [parameter, parameter.schema ?? {}]) {
        delete node.example;
        delete node.examples;
      }
    }
  }
  return spec;
};

// A login ends on a page of ours in another window, which tells all windows of this server. window.opener would be
// gone as soon as an identity provider had been on the way (Cross-Origin-Opener-Policy).
larder.onLogin = (receive) => {
  new BroadcastChannel("larder-oauth2").onmessage = ({ data }) => receive(data);
};

// Swagger UI, which Swagger Editor has in it, leaves here what it waits for
larder.finishSwaggerLogins = () =>
  larder.onLogin((answer) => {
    const waiting = window.swaggerUIRedirectOauth2;
    if (!waiting || answer.state !== waiting.state) return;
    delete waiting.state;
    if (answer.code) {
      waiting.auth.code = answer.code;
      waiting.callback({ auth: waiting.auth, redirectUrl: waiting.redirectUrl });
    } else {
      const message = `${answer.error ?? "no code came"}: ${answer.error_description ?? ""}`;
      waiting.errCb({ authId: waiting.auth.name, source: "auth", level: "error", message });
    }
  });

// zod (in Scalar) would try whether it may compile text, which the policy refuses loudly
window.__zod_globalConfig = { jitless: true };

// The policy of the page takes style elements that carry its nonce. These programs make them without one.
if (larder.styleNonce) {
  const marked = (style) => {
    style.nonce = larder.styleNonce;
  };
  window.__webpack_nonce__ = larder.styleNonce;
  window.litNonce = larder.styleNonce;
  const create = Document.prototype.createElement;
  Document.prototype.createElement = function (name, ...rest) {
    const element = create.call(this, name, ...rest);
    if (String(name).toLowerCase() === "style") marked(element);
    return element;
  };
  const importNode = Document.prototype.importNode;
  Document.prototype.importNode = function (node, ...rest) {
    const copy = importNode.call(this, node, ...rest);
    copy.querySelectorAll?.("style").forEach(marked);
    return copy;
  };
}
