/** `millrace completion`: a shell's completion script, made from the commands themselves. */
import { MillraceError } from '../../errors.ts';
import { action, type Define } from '../command.ts';
import { type Shell, scripts } from '../completion.ts';
import { commandTree } from '../tree.ts';

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
        const script = scripts[shell as Shell](await commandTree());
        return { data: { shell, script }, text: script };
      }),
    );
};
export default define;
