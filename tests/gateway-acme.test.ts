/** A gateway by itself that orders its certificates, at a real authority. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { runMoln } from '../testing/moln.ts';
import { Pebble, type PebbleOptions } from '../testing/pebble-kit.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';

interface Place {
  readonly pebble: Pebble;
  readonly folder: string;
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
  readonly httpsPort: number;
  /** The file with these keys of `acme` beside the usual ones. */
  write(acme: string): void;
  run(): FollowedCli;
  /** The certificate that a client of that host gets. */
  served(host: string): Promise<X509Certificate>;
  /** Resolves when that host has a certificate of the authority. */
  has(host: string): Promise<X509Certificate>;
}

async function placeFor(t: TestContext, options: Partial<PebbleOptions> = {}): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-acme-'));
  mkdirSync(join(folder, 'data'));
  t.after(() => {
    killProcesses(processesOf(folder));
    rmSync(folder, { recursive: true });
  });
  const [httpPort = 0, httpsPort = 0] = await freePorts('127.0.0.1', 2);
  const pebble = await Pebble.start(t, { httpPort, tlsPort: httpsPort, ...options });
  const file = join(folder, 'gateway.yml');
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  const served = async (host: string): Promise<X509Certificate> => {
    const socket = connect({
      port: httpsPort,
      host: '127.0.0.1',
      servername: host,
      rejectUnauthorized: false,
    });
    try {
      await once(socket, 'secureConnect');
      return new X509Certificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0));
    } finally {
      socket.destroy();
    }
  };
  return {
    pebble,
    folder,
    file,
    env,
    httpsPort,
    write: (acme) =>
      writeFileSync(
        file,
        [
          'workers: 2',
          'listeners:',
          `  - { address: 127.0.0.1, port: ${httpPort}, redirect: https }`,
          `  - address: 127.0.0.1`,
          `    port: ${httpsPort}`,
          '    protocol: https',
          `    tls: { acme: { email: "me@mail.example.com", directory: "${pebble.directory}", directoryCa: "${pebble.caFile}", ${acme} } }`,
          'routes:',
          '  - { host: [a.mail.example.com, b.mail.example.com], respond: { status: 403, message: no } }',
          '  - { host: "x.localhost", respond: { status: 403, message: no } }',
          '',
        ].join('\n'),
      ),
    run: () => new FollowedCli(['gateway', 'run', file], env),
    served,
    has: async (host) => {
      const root = new X509Certificate(await pebble.root());
      return until(`a certificate for ${host}`, async () => {
        const certificate = await served(host);
        if (/Pebble/.test(certificate.issuer) && certificate.checkHost(host) !== undefined) {
          assert.notEqual(certificate.fingerprint, root.fingerprint);
          return certificate;
        }
        throw new Error(`${certificate.issuer}\n${pebble.output.slice(-3000)}`);
      });
    },
  };
}

test('certificates by HTTP-01, kept for the next start, and renewed', async (t) => {
  const place = await placeFor(t, { lifeSeconds: 20 });
  place.write('challenge: http-01');
  const run = place.run();
  await using _run = run;
  await run.says(/Serving https:/);

  let first = await place.has('a.mail.example.com');
  await step(t, 'each public host gets one, whichever worker is asked', async () => {
    for (let count = 0; count < 8; count++) await place.has('b.mail.example.com');
    assert.equal((await place.served('x.localhost')).checkHost('x.localhost'), undefined);
    first = await place.has('a.mail.example.com');
  });

  await step(t, 'it is renewed long before its end, without a restart', async () => {
    const next = await until(
      'another certificate',
      async () => {
        const now = await place.served('a.mail.example.com');
        return now.serialNumber === first.serialNumber ? undefined : now;
      },
      { withinMs: 60_000 },
    );
    assert.ok(next.validFromDate < first.validToDate, 'before the former one had ended');
  });

  await step(t, 'what was ordered is kept, for nobody else to read', async () => {
    const [state] = processesOf(place.folder).length > 0 ? stateFiles(place) : [];
    assert.ok(state !== undefined);
    assert.equal(statSync(state).mode & 0o777, 0o600);
    assert.doesNotMatch(run.stdout + run.stderr, /PRIVATE KEY/);
    assert.equal((await run.interrupt()).code, 0);
    await place.pebble.stop();
    const again = place.run();
    await using _again = again;
    await again.says(/Serving https:/);
    assert.ok((await place.served('a.mail.example.com')).checkHost('a.mail.example.com'));
    await until('the word of what fails', () => /cannot be reached/.test(again.stderr), {
      withinMs: 60_000,
    });
  });
});

function stateFiles({ env }: Place): readonly string[] {
  const folder = `${env['MOLN_DATA']}-gateway`;
  return processesOf(folder)
    .slice(0, 1)
    .map(({ command }) => {
      const run = /(\S+)\/run(?:\s|$)/.exec(command)?.[1] ?? '';
      return join(run, 'certificates', 'certificates.json');
    });
}

test('certificates by TLS-ALPN-01', async (t) => {
  const place = await placeFor(t);
  place.write('challenge: tls-alpn-01');
  await using run = place.run();
  await run.says(/Serving https:/);
  await place.has('a.mail.example.com');
  await place.has('b.mail.example.com');
});

test('wildcards by DNS-01, with a program that sets the records', async (t) => {
  const place = await placeFor(t);
  const hook = join(place.folder, 'hook.sh');
  const { dnsManagement } = place.pebble;
  writeFileSync(
    hook,
    `#!/bin/sh
echo "$1 $2" >> '${join(place.folder, 'hook.log')}'
case "$1" in
  set) curl -fsS -d "{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}" ${dnsManagement}/set-txt ;;
  clear) curl -fsS -d "{\\"host\\":\\"$2.\\"}" ${dnsManagement}/clear-txt ;;
esac
`,
  );
  chmodSync(hook, 0o755);
  place.write('hosts: ["*.mail.example.com", a.mail.example.com], dnsHook: hook.sh');
  await using run = place.run();
  await run.says(/Serving https:/);
  const certificate = await place.has('any.mail.example.com');
  assert.match(certificate.subjectAltName ?? '', /DNS:\*\.mail\.example\.com/);
  await until('the record to be cleared', () => {
    const lines = readFileSync(join(place.folder, 'hook.log'), 'utf8').trim().split('\n');
    return (
      lines.join() === 'set _acme-challenge.mail.example.com,clear _acme-challenge.mail.example.com'
    );
  });
});

test('what the authority saw is said, and SIGHUP tries again', async (t) => {
  const [closed = 0] = await freePorts('127.0.0.1', 1);
  const place = await placeFor(t, { httpPort: closed, nonceReject: 40 });
  place.write('challenge: http-01, hosts: a.mail.example.com');
  const run = place.run();
  await using _run = run;
  await until(
    'the reason',
    () =>
      /could not check a\.mail\.example\.com by http-01: .*http:\/\/a\.mail\.example\.com:\d+\/\.well-known\/acme-challenge\/[\w-]+.*connection refused/.test(
        run.stderr,
      ) || Promise.reject(new Error(run.stderr + place.pebble.output.slice(-2000))),
  );
  place.write('challenge: tls-alpn-01, hosts: a.mail.example.com');
  process.kill(run.pid, 'SIGHUP');
  await place.has('a.mail.example.com');
});

test('a file whose orders cannot work is refused', async (t) => {
  const place = await placeFor(t);
  const cases: readonly (readonly [acme: string, refusal: RegExp])[] = [
    [
      'hosts: ["*.mail.example.com"]',
      /:7: Host "\*\.mail\.example\.com" is a wildcard, which needs "listeners\[1\]\.tls\.acme\.dnsHook"/,
    ],
    ['challenge: dns-01', /"dns-01", which needs/],
    ['challenge: http-02', /"http-02", want one of http-01, tls-alpn-01, dns-01/],
    ['hosts: ["a b"]', /"a b" is no host name/],
    ['host: x.example.com', /Unknown key "listeners\[1\]\.tls\.acme\.host".*did you mean "hosts"/s],
  ];
  for (const [acme, refusal] of cases) {
    place.write(acme);
    const { code, stderr } = await runMoln(['gateway', 'check', place.file], { env: place.env });
    assert.equal(code, 2, stderr);
    assert.match(stderr, refusal);
  }
});
