"use strict";

// one worker checks the document, the other serves the text; each with a policy of its own
window.MonacoEnvironment = {
  getWorker: (_module, label) =>
    new Worker(larder.files[label === "apidom" ? "apidom.worker.js" : "editor.worker.js"]),
};

const nothing = () => null;
const idle = () => () => ({ type: "larder_nothing" });
// what would ask other servers: generators, converters, a document from anywhere
const withoutOthers = () => ({
  components: {
    TopBarLogo: nothing,
    TopBarAboutMenu: nothing,
    TopBarOpenAPI3GenerateServerMenu: nothing,
    TopBarOpenAPI3GenerateClientMenu: nothing,
    TopBarOpenAPI2GenerateServerMenu: nothing,
    TopBarOpenAPI2GenerateClientMenu: nothing,
    TopBarFileMenuImportUrlMenuItem: nothing,
    TopBarFileMenuLoadExampleNestedMenu: nothing,
    TopBarEditMenuConvertToOpenAPI30xMenuItem: nothing,
    SplashScreen: nothing,
  },
  statePlugins: {
    editorTopBar: {
      wrapActions: {
        fetchOpenAPI3GeneratorServerList: idle,
        fetchOpenAPI3GeneratorClientList: idle,
        fetchOpenAPI2GeneratorServerList: idle,
        fetchOpenAPI2GeneratorClientList: idle,
      },
    },
  },
});
const knownClient = () => ({
  afterLoad: ({ authActions }) =>
    authActions.configureAuth({ clientId: larder.clientId, usePkceWithAuthorizationCodeGrant: true }),
});
// what was typed the last time would hide what the server says now
const forgetful = SwaggerEditor.presets
  .default()
  .filter((plugin) => plugin !== SwaggerEditor.plugins.EditorContentPersistence);

fetch(larder.document)
  .then((answer) => answer.json())
  .then((spec) => {
    const properties = {
      spec,
      presets: [() => forgetful],
      plugins: [withoutOthers, knownClient],
      deepLinking: false,
      tryItOutEnabled: true,
      oauth2RedirectUrl: larder.redirectUrl,
    };
    ReactDOM.createRoot(larder.root).render(React.createElement(SwaggerEditor, properties));
  });
larder.finishSwaggerLogins();
