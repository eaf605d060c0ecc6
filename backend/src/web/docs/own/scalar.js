"use strict";

const flow = { "x-scalar-client-id": larder.clientId };
larder.followScheme();
fetch(larder.document)
  .then((answer) => answer.json())
  .then((spec) => {
    Scalar.createApiReference("#larder-browser", {
      content: larder.withEmptyForms(spec),
      proxyUrl: "",
      telemetry: false,
      withDefaultFonts: false,
      hideClientButton: true,
      showDeveloperTools: "never",
      agent: { disabled: true },
      mcp: { disabled: true },
      authentication: {
        preferredSecurityScheme: "OAuth2",
        securitySchemes: {
          OAuth2: {
            flows: {
              password: flow,
              authorizationCode: { ...flow, "x-usePkce": "SHA-256", "x-scalar-redirect-uri": larder.redirectUrl },
            },
          },
        },
      },
    });
  });
