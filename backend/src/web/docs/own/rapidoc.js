"use strict";

larder.followScheme();
const attributes = {
  "render-style": "focused",
  theme: larder.dark ? "dark" : "light",
  "primary-color": "#0f7f88",
  "show-header": "false",
  "load-fonts": "false",
  "regular-font": "system-ui, sans-serif",
  "mono-font": "ui-monospace, monospace",
  "allow-server-selection": "false",
  "allow-spec-file-load": "false",
  "allow-spec-url-load": "false",
  "schema-description-expanded": "true",
  "fill-request-fields-with-example": "false",
  "oauth-receiver": larder.redirect.slice(1),
};
const page = document.createElement("rapi-doc");
for (const [name, value] of Object.entries(attributes)) page.setAttribute(name, value);
larder.root.append(page);

// it takes an example that holds null for a list of examples, and stops; with a name it takes every one
const nameExamples = (node) => {
  if (node === null || typeof node !== "object") return;
  for (const media of Object.values(node.content ?? {})) {
    if (media !== null && typeof media === "object" && "example" in media) {
      media.examples = { Example: { value: media.example } };
      delete media.example;
    }
  }
  Object.values(node).forEach(nameExamples);
};

fetch(larder.document)
  .then((answer) => answer.json())
  .then((spec) => {
    nameExamples(spec.paths);
    for (const scheme of Object.values(spec.components.securitySchemes)) {
      for (const flow of Object.values(scheme.flows ?? {})) {
        Object.assign(flow, { "x-client-id": larder.clientId, "x-receive-token-in": "request-body" });
      }
    }
    page.loadSpec(spec);
  });

// Its code verifier is the same for everybody, and it does not look at `state`: both are mended on their way out and
// back. Without TLS there is no digest here, and the verifier stays.
const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
let challenge = null;
crypto.subtle?.digest("SHA-256", new TextEncoder().encode(verifier)).then((digest) => {
  challenge = base64url(new Uint8Array(digest));
});
let state = null;

const open = window.open;
window.open = (address, ...rest) => {
  const url = new URL(address);
  state = url.searchParams.get("state");
  if (challenge !== null) url.searchParams.set("code_challenge", challenge);
  return open.call(window, url.toString(), ...rest);
};
const fetchAnything = window.fetch;
window.fetch = (target, options) => {
  const form = options?.body;
  if (challenge !== null && form instanceof URLSearchParams && form.has("code_verifier")) {
    form.set("code_verifier", verifier);
  }
  return fetchAnything.call(window, target, options);
};

larder.onLogin((answer) => {
  if (state === null || answer.state !== state) return;
  state = null;
  window.postMessage({ ...answer, responseType: "code" }, location.origin);
});
