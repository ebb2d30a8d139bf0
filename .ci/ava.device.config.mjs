// Tests that need a device of their own: `npm run test:webgpu`, `npm run test:cuda` (.ci/device.mjs). One at a time.
export default {
  files: ['test/device/*.device.ts'],
  extensions: { ts: 'module' },
  require: ['./.ci/temporary.mjs'],
  nodeArguments: ['--import=tsx'],
  workerThreads: false,
  serial: true,
  concurrency: 1,
  timeout: '10m',
};
