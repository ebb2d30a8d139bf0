import test from 'ava';
import { type Check, node, ofDevice } from '../../src/cli/doctor.ts';
import { millrace } from './run.ts';

test('doctor tries the machine and says what it found', async (t) => {
  const { code, stdout, stderr } = await millrace(['doctor', '--json']);
  t.is(code, 0, stderr);
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
  t.true(ok);
  t.deepEqual(
    checks.map(({ name }) => name),
    ['node', 'native module', 'runtime', 'cpu', 'cuda', 'webgpu', 'disk', 'memory'],
  );
  t.is(checks.find(({ name }) => name === 'cpu')?.state, 'ok');
  for (const { name, state, remedy } of checks) t.true(state === 'ok' || (remedy ?? '').length > 10, name);
});

test('doctor in words: a line for each check, a remedy under each failure', async (t) => {
  const { code, stdout } = await millrace(['doctor']);
  t.is(code, 0);
  t.regex(stdout, /^✓ node +\d+\.\d+\.\d+$/m);
  t.regex(stdout, /^✓ cpu +a session ran/m);
  for (const [, below] of stdout.matchAll(/^– .*\n(.*)$/gm)) t.regex(below!, /^ +→ /);
});

test('an old Node and a CPU without sessions are lacks, a GPU that is not there isn’t', (t) => {
  t.is(node({ version: '20.19.0' }).state, 'ok');
  t.is(node({ version: '26.0.0' }).state, 'ok');
  for (const version of ['18.20.4', '20.18.1']) {
    t.is(node({ version }).state, 'missing');
    t.regex(node({ version }).remedy ?? '', /install Node 20\.19/);
  }
  t.is(ofDevice({ device: 'cpu', works: false, reason: 'x' }).state, 'missing');
  t.is(ofDevice({ device: 'cuda', works: false, reason: 'x' }).state, 'absent');
});
