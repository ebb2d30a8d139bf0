"""transformers' generate on the same folder and prompt as bench/decode.ts; prints one JSON object with `seconds`."""
import argparse
import json
import resource
import time

import torch
import transformers
from transformers import AutoModelForCausalLM

options = argparse.ArgumentParser()
options.add_argument("--model", required=True)
options.add_argument("--prompt-tokens", type=int, default=32)
options.add_argument("--new-tokens", type=int, default=200)
options.add_argument("--rows", type=int, default=1)
options.add_argument("--threads", type=int, default=torch.get_num_threads())
options.add_argument("--repeat", type=int, default=3)
options.add_argument("--json", action="store_true")
args = options.parse_args()
torch.set_num_threads(args.threads)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
model = AutoModelForCausalLM.from_pretrained(args.model).eval()
vocabulary = model.config.vocab_size
prompts = torch.tensor([[(i * 31 + row * 17 + 5) % vocabulary for i in range(args.prompt_tokens)] for row in range(args.rows)])
best = float("inf")
with torch.inference_mode():
    for _ in range(args.repeat):
        start = time.perf_counter()
        out = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            max_new_tokens=args.new_tokens,
            min_new_tokens=args.new_tokens,
            eos_token_id=None,
            pad_token_id=0,
        )
        best = min(best, time.perf_counter() - start)
print(
    json.dumps(
        {
            "bench": "decode",
            "peer": f"transformers {transformers.__version__}, torch {torch.__version__}",
            "seconds": best,
            "tokensPerSecond": args.rows * args.new_tokens / best,
            "msPerToken": 1000 * best / args.new_tokens,
            "rows": args.rows,
            "threads": args.threads,
            "peakRssMb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "first": out[0, args.prompt_tokens : args.prompt_tokens + 16].tolist(),
        }
    )
)
