import { appendFile, mkdtemp, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { EventReader } from '../../src/report/jsonl.ts';
import { watchRuns } from '../../src/report/watch.ts';

test('other sites can’t read a run through the browser', async (t) => {
  const watching = await watchRuns({ runs: [], about: async () => ({ title: '', runs: [] }), port: 0 });
  t.teardown(() => watching.close());
  const status = await new Promise((resolve) =>
    get(watching.url, { headers: { host: 'evil.example' } }, (r) => resolve(r.statusCode)),
  );
  t.is(status, 403);
  await t.throwsAsync(
    watchRuns({ runs: [], about: async () => ({ title: '', runs: [] }), port: Number(new URL(watching.url).port) }),
    { message: /is taken/ },
  );
});

test('events are read as they come: half a line waits, a file begun anew resets', async (t) => {
  const path = join(await mkdtemp(join(tmpdir(), 'millrace-jsonl-')), 'metrics.jsonl');
  const reader = new EventReader(path);
  t.deepEqual(await reader.next(), { events: [], reset: false });
  await writeFile(path, '{"type":"a"}\n{"type":');
  t.deepEqual(await reader.next(), { events: [{ type: 'a' }], reset: false });
  await appendFile(path, '"b"}\nbroken\n');
  t.deepEqual(await reader.next(), { events: [{ type: 'b' }], reset: false });
  await writeFile(path, '{"type":"c"}\n');
  t.deepEqual(await reader.next(), { events: [{ type: 'c' }], reset: true });
});
