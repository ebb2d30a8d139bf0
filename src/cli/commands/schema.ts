/** `millrace schema`: JSON Schema of the YAML files that people write, for completion and checks in editors. */
import { MillraceError } from '../../errors.ts';
import { action, type Define } from '../command.ts';

const KINDS = ['pipeline'];

const define: Define = (command) => {
  command
    .argument('[kind]', `${KINDS.join(', ')}`, 'pipeline')
    .addHelpText(
      'after',
      '\nIn VS Code (YAML extension): begin the file with\n  # yaml-language-server: $schema=./pipeline.schema.json',
    )
    .action(
      action(async (call, kind: string) => {
        if (!KINDS.includes(kind)) {
          throw new MillraceError('usage', `no schema for '${kind}'`, { hint: `known: ${KINDS.join(', ')}` });
        }
        const { pipelineJsonSchema } = await import('../../pipeline/json_schema.ts');
        const schema = pipelineJsonSchema();
        return { data: schema, text: call.output.json ? '' : JSON.stringify(schema, undefined, 2) };
      }),
    );
};
export default define;
