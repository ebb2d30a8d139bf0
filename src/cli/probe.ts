/** A device's name as the argument in, whether a session on it works out: one JSON object on stdout. The doctor's helper. */
const { probeDevices } = await import('../train/device.ts');
const [report] = await probeDevices([process.argv[2] ?? 'cpu']);
process.stdout.write(JSON.stringify(report), () => process.exit(0));

export {};
