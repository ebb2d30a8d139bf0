/** `millrace completion`: a shell's completion script, made from the commands themselves. */
import { Command, type Option } from 'commander';
import { MillraceError } from '../../errors.ts';
import { action, type Define } from '../command.ts';
import { type Node, type Shell, scripts } from '../completion.ts';
import { verbs } from '../registry.ts';

const define: Define = (command) => {
  command
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      '\nTo use it:\n  bash  millrace completion bash > ~/.local/share/bash-completion/completions/millrace\n  zsh   millrace completion zsh > $fpath[1]/_millrace\n  fish  millrace completion fish > ~/.config/fish/completions/millrace.fish',
    )
    .action(
      action(async (_, shell: string) => {
        if (!(shell in scripts)) {
          throw new MillraceError('usage', `no completion for '${shell}'`, { hint: 'bash, zsh and fish are known' });
        }
        const script = scripts[shell as Shell](await tree());
        return { data: { shell, script }, text: script };
      }),
    );
};
export default define;

/** All verbs with their subcommands and options. */
async function tree(): Promise<Node[]> {
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
