// The end of a login: hands what came back over to the page that waits for it.
"use strict";

const parameters = Object.fromEntries(new URLSearchParams(location.search));

// OpenAPI Explorer leaves its page for the login, and notes in `state` where it was
const left = () => {
  try {
    const url = new URL(JSON.parse(atob(parameters.state.replace(/-/g, "+").replace(/_/g, "/"))).url);
    return url.origin === location.origin && url.pathname === "/explorer" ? url : null;
  } catch {
    return null;
  }
};

const page = left();
if (page === null) {
  new BroadcastChannel("larder-oauth2").postMessage(parameters);
  setTimeout(() => window.close(), 1500); // Scalar reads this window's address; the others need it no more
} else {
  for (const [name, value] of Object.entries(parameters)) page.searchParams.set(name, value);
  page.searchParams.set("redirect_auth", "true");
  location.replace(page);
}
