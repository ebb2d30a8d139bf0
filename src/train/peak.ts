/** Out: the floating-point operations a second that one plain float32 matrix product reaches on this machine. */
import { linear, ProgramBuilder, zeros } from '../model/index.ts';
import { Session } from './session.ts';

/** x [ROWS, INNER] times w [INNER, COLUMNS]: much to compute, little to copy out. */
const [ROWS, INNER, COLUMNS] = [768, 3072, 256];
const RUNS = 6;

/** The best of a few products, through the same runtime and threads as training: some 0.1 s. */
export async function measurePeakFlops(
  where: { threads?: number | undefined; device?: string | undefined } = {},
): Promise<number> {
  const b = new ProgramBuilder();
  const x = b.input('x', 'float32', [ROWS, INNER]);
  b.output('y', linear(b, 'w', x, { out: COLUMNS, init: zeros }));
  const program = b.program();
  const session = Session.create({ parameters: program.parameters, ...where });
  const loaded = await session.load(program);
  const feeds = { x: new Float32Array(ROWS * INNER).fill(0.5) };
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await session.run(loaded, feeds);
    best = Math.min(best, performance.now() - start);
  }
  return (2 * ROWS * INNER * COLUMNS) / (best / 1000);
}
