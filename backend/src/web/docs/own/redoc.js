"use strict";

// its menu ends with a logo that it would fetch from its makers
const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
const ours = (address) => (new URL(address, location).origin === location.origin ? address : "/favicon.ico");
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...source,
  set(address) {
    source.set.call(this, ours(address));
  },
});
HTMLImageElement.prototype.setAttribute = function (name, value) {
  Element.prototype.setAttribute.call(this, name, name === "src" ? ours(value) : value);
};

Redoc.init(larder.document, { nativeScrollbars: true, scrollYOffset: ".larder-bar" }, larder.root);
