/** Runs a pipeline of the test's stages in a process of its own, so that it can be killed. */
import { loadPipeline } from '../../src/pipeline/load.ts';
import { runPipeline } from '../../src/pipeline/run.ts';
import { stages } from './fake.ts';

const [path = '', ...overrides] = process.argv.slice(2);
await runPipeline(await loadPipeline(path, { stages, overrides }), {
  onEvent: (event) => event.type === 'stage-start' && console.log(JSON.stringify(event)),
});
