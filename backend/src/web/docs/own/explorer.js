"use strict";

const page = document.createElement("openapi-explorer");
page.setAttribute("spec-url", larder.document);
page.setAttribute("hide-server-selection", "true");
page.setAttribute("primary-color", "#0f7f88");
page.setAttribute("nav-bg-color", "#123238");
page.setAttribute("fill-request-fields-with-example", "false");
page.addEventListener("spec-loaded", () => {
  page.setAuthenticationConfiguration("OAuth2", { clientId: larder.clientId, redirectUri: larder.redirectUrl });
});
larder.root.append(page);
