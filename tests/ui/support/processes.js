// Starting and ending the mock provider and the gateway. Ends only what it started, by its id.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const READY_WITHIN_MS = 20_000;
const GONE_WITHIN_MS = 10_000;
const running = new Set();
const folders = new Set();

/** A test file that breaks off, wherever it does, leaves nothing behind. */
function leaveNothing() {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
process.on('exit', leaveNothing);
// What goes wrong before the first test ends the process without the event above.
process.on('uncaughtExceptionMonitor', leaveNothing);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** A port that nothing listens on. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A folder for one test file's logs and app-dirs. */
export async function workFolder() {
  const path = await mkdtemp(join(tmpdir(), 'tollbridge-ui-'));
  folders.add(path);
  const remove = async () => {
    await rm(path, { recursive: true, force: true });
    folders.delete(path);
  };
  return { path, remove };
}

export async function startMock(folder) {
  const port = await freePort();
  const command = [binary('MOCK_PROVIDER_BIN'), '--listen', `127.0.0.1:${port}`];
  const child = await start('mock-provider', command, join(folder, 'mock.log'));
  const url = `http://127.0.0.1:${port}`;
  await child.ready(`${url}/_mock/counts`);
  return { url, stop: child.stop };
}

/** `config` becomes the config.json of a fresh app-dir; without a port a free one is taken. */
export async function startGateway(folder, { name = 'app', config, port } = {}) {
  const appDir = join(folder, name);
  await mkdir(appDir, { recursive: true });
  if (config) await writeFile(join(appDir, 'config.json'), JSON.stringify(config));
  port ??= await freePort();
  const command = [binary('TOLLBRIDGE_BIN'), '--app-dir', appDir, '--host', '127.0.0.1'];
  command.push('--port', String(port), '--log-style', 'json');
  const child = await start('tollbridge', command, join(folder, `${name}.log`));
  const url = `http://127.0.0.1:${port}`;
  await child.ready(`${url}/readyz`);
  return { url, port, stop: child.stop };
}

function binary(variable) {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} does not name a program`);
  return path;
}

/** Provider keys of the machine would be found by the gateway and answer in the mock's place. */
function cleanEnvironment() {
  const isSecret = (name) => name.endsWith('_API_KEY') || name.endsWith('_AUTH_TOKEN');
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isSecret(name)));
}

async function start(name, [program, ...rest], log) {
  const file = await open(log, 'a');
  const stdio = ['ignore', file.fd, file.fd];
  const child = spawn(program, rest, { stdio, env: cleanEnvironment() });
  running.add(child);
  const exited = new Promise((resolve) => {
    child.on('exit', resolve);
    child.on('error', resolve);
  });
  void exited.then(() => running.delete(child));
  await file.close();
  return { ready: (url) => ready(name, child, url, log), stop: () => stop(child, exited) };
}

async function ready(name, child, url, log) {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && running.has(child)) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // Not listening yet.
    }
    await pause(50);
  }
  const said = await readFile(log, 'utf8').catch(() => '');
  throw new Error(`${name} is not ready at ${url}:\n${said.slice(-4000)}`);
}

async function stop(child, exited) {
  if (!running.has(child)) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), GONE_WITHIN_MS);
  await exited;
  clearTimeout(timer);
}
