/** A training run for the test that kills it: `child.ts RUN_FOLDER`. Prints a line when the first step is done. */
import { trainPrograms } from '../../src/train/trainer.ts';
import { tinyData, tinyPrograms, tinyRecipe } from './support.ts';

await trainPrograms({
  programs: tinyPrograms({ dropout: 0.1 }),
  data: tinyData(),
  recipe: tinyRecipe({ accumulation: 2, steps: 60 }),
  threads: 2,
  out: process.argv[2]!,
  resume: 'auto',
  onEvent: (event) => {
    if (event.type === 'start') process.stdout.write('training\n');
  },
});
