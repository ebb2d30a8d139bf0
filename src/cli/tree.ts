/** The registry in, every command with its subcommands and options out: what completion and tests go through. */
import { Command, type Option } from 'commander';
import type { Node } from './completion.ts';
import { verbs } from './registry.ts';

/** All verbs with their subcommands and options. */
export async function commandTree(): Promise<Node[]> {
  const global = ['--json', '--quiet', '--verbose', '--no-color', '--help'];
  const node = (command: Command): Node => ({
    name: command.name(),
    summary: command.description(),
    options: [...command.options.map(flag).filter((name) => name !== undefined), ...global],
    commands: command.commands.map(node),
  });
  return Promise.all(
    verbs().map(async (verb) => {
      const command = new Command(verb.name).description(verb.summary);
      (await verb.load())(command);
      return node(command);
    }),
  );
}

const flag = (option: Option) => option.long ?? option.short ?? undefined;
