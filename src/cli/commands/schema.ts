/** `millrace schema`: JSON Schema of the YAML files that people write, for completion and checks in editors. */
import { MillraceError } from '../../errors.ts';
import { action, type Define } from '../command.ts';

const KINDS = ['pipeline', 'recipe', 'finetune', 'corpus'] as const;
type Kind = (typeof KINDS)[number];

const define: Define = (command) => {
  command
    .argument('[kind]', 'pipeline; recipe (of train); finetune (its recipe); corpus (a manifest)', 'pipeline')
    .addHelpText(
      'after',
      '\nIn VS Code (YAML extension): begin the file with\n  # yaml-language-server: $schema=./pipeline.schema.json',
    )
    .action(
      action(async (call, kind: string) => {
        if (!isKind(kind)) {
          throw new MillraceError('usage', `no schema for '${kind}'`, { hint: `known: ${KINDS.join(', ')}` });
        }
        const schema = await schemaOf(kind);
        return { data: schema, text: call.output.json ? '' : JSON.stringify(schema, undefined, 2) };
      }),
    );
};
export default define;

const isKind = (kind: string): kind is Kind => (KINDS as readonly string[]).includes(kind);

async function schemaOf(kind: Kind): Promise<object> {
  const { pipelineJsonSchema, plainJsonSchema } = await import('../../pipeline/json_schema.ts');
  if (kind === 'pipeline') return pipelineJsonSchema();
  if (kind === 'recipe') {
    const { recipeFileSchema } = await import('../../train/recipe.ts');
    return plainJsonSchema('Millrace training recipe', recipeFileSchema);
  }
  if (kind === 'finetune') {
    const { finetuneSchema } = await import('../../finetune/recipe.ts');
    return plainJsonSchema('Millrace fine-tuning recipe', finetuneSchema);
  }
  const { corpusSchema } = await import('../../corpus/manifest.ts');
  return plainJsonSchema('Millrace corpus manifest', corpusSchema);
}
