// A real OpenID Connect provider on loopback. Whoever logs in as NAME is NAME@example.org; the name says the rest:
// "unverified..." has an address that was not verified, "nameless..." has none, "renamed..." has another each login.
// Ends when its standard input does, so that it cannot outlive the tests.
import http from 'node:http';

import Provider from 'oidc-provider';

const { clients } = JSON.parse(process.argv[2]);
let logins = 0;

function claimsOf(name) {
  if (name.startsWith('nameless')) return { sub: name };
  const address = name.startsWith('renamed') ? `${name}-${(logins += 1)}` : name;
  return { sub: name, name, email: `${address}@example.org`, email_verified: !name.startsWith('unverified') };
}

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['of the tests alone'] },
    findAccount: (_, name) => ({ accountId: name, claims: () => claimsOf(name) }),
    issueRefreshToken: (_, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, RefreshToken: 3600, Session: 3600 },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${issuer}\n`);
});
process.stdin.on('end', () => process.exit()).resume();
