"use strict";

const attributes = {
  "spec-url": larder.document,
  "render-style": "read",
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
  "oauth-receiver": larder.redirect.slice(1),
};
const page = document.createElement("rapi-doc");
for (const [name, value] of Object.entries(attributes)) page.setAttribute(name, value);
larder.root.append(page);
