/** The command line in, an exit code out. Loads only the verb that is called. */
import { Command, CommanderError } from 'commander';
import { exitCode, MillraceError } from '../errors.ts';
import { version } from '../version.ts';
import { explain } from './explain.ts';
import { Output } from './output.ts';
import { verbs } from './registry.ts';

/** Runs one command line (without `node` and the script) and resolves to its exit code. */
export async function main(argv: string[]): Promise<number> {
  const output = new Output({
    json: argv.includes('--json'),
    verbose: argv.includes('--verbose'),
    color: !argv.includes('--no-color'),
  });
  let program: Command | undefined;
  try {
    program = await build(argv);
    await program.parseAsync(argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      if (error.code !== 'commander.help') output.error(usage(error, argv, program));
      return 2;
    }
    const known = explain(error);
    output.error(known);
    return exitCode(known);
  }
}

async function build(argv: string[]): Promise<Command> {
  const program = new Command('millrace')
    .description('Text in at one end, a trained, exported model out at the other.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this page, or that of a command')
    .helpCommand(false)
    .option('--json', 'one JSON object on stdout, events as JSON lines on stderr')
    .option('-q, --quiet', 'only results, warnings and errors')
    .option('-v, --verbose', 'details, and where an error comes from')
    .option('--no-color', 'no colours (NO_COLOR does the same)')
    .configureHelp({ showGlobalOptions: true, sortOptions: false })
    .configureOutput({
      writeErr: (text) => argv.includes('--json') || process.stderr.write(text),
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText(
      'after',
      '\nStart with: millrace run pipelines/quickstart.yaml   Help on a command: millrace <command> --help',
    );
  const called = argv.find((arg) => !arg.startsWith('-') && arg !== 'help');
  for (const verb of verbs()) {
    const command = program.command(verb.name).description(verb.summary);
    if (verb.name === called) (await verb.load())(command);
  }
  return program;
}

function usage(error: CommanderError, argv: string[], program: Command | undefined): MillraceError {
  const [first = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const [verb, inner] = argv.filter((arg) => !arg.startsWith('-'));
  const command = program?.commands.find((one) => one.name() === verb);
  const sub = command?.commands.find((one) => one.name() === inner);
  const path = [command, sub].flatMap((one) => (one ? `${one.name()} ` : [])).join('');
  const help = `see \`millrace ${path}--help\``;
  const guess = suggestion && /\((.*)\)/.exec(suggestion)?.[1];
  return new MillraceError('usage', first, {
    hint: guess ? `${guess[0]!.toLowerCase()}${guess.slice(1)} Or ${help}` : help,
  });
}

// A reader that has seen enough (`millrace ... | head`) is no error; a full disk behind `>` is.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  new Output({}).error(explain(error));
  process.exit(1);
});
