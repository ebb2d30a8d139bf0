import test from 'ava';
import { invocation, oneLine } from '../../src/cli/summary.ts';

test('commands are printed as they work when typed', (t) => {
  const argv = (script: string) => ['node', script];
  t.is(invocation({ argv: argv(`${process.cwd()}/dist/cli/main.js`), env: {} }), 'node dist/cli/main.js');
  t.is(invocation({ argv: argv('/home/a b/dist/main.js'), env: {} }).slice(-14), "b/dist/main.js'".slice(-14));
  t.is(invocation({ argv: argv('/usr/local/bin/millrace'), env: {} }), 'millrace');
  t.is(invocation({ argv: argv('/p/node_modules/.bin/millrace'), env: { npm_command: 'exec' } }), 'npx millrace');
});

test('figures of a stage on one line', (t) => {
  t.is(oneLine({ files: 135, name: 'x', samples: [{}, {}], deep: {} }), 'files 135, name x, samples 2');
});
