// Tests that need a Chromium on the machine: `npm run test:browser`. One page at a time, so that small machines keep up.
export default {
  files: ['test/**/*.browser.ts'],
  extensions: { ts: 'module' },
  require: ['./.ci/temporary.mjs'],
  nodeArguments: ['--import=tsx'],
  workerThreads: false,
  serial: true,
  concurrency: 1,
  timeout: '2m',
};
