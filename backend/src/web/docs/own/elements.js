"use strict";

const page = document.createElement("elements-api");
page.setAttribute("apiDescriptionUrl", larder.document);
page.setAttribute("router", "hash");
page.setAttribute("layout", "sidebar");
page.setAttribute("tryItCredentialsPolicy", "same-origin");
larder.root.append(page);
