"""A small Mamba language model in the layout of the public checkpoints, and what transformers computes with it.

transformers' own slow path runs on any machine, but turns some intermediate results into f32. Here each such cast leads to f64, so
that an agreement far below f32's rounding can be asked for.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers.models.mamba import modeling_mamba

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import save

SEED = 11


class Double:
    """torch, in which float32 is float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


modeling_mamba.torch = Double()
torch.Tensor.float = torch.Tensor.double

transformers.set_seed(SEED)
torch.set_default_dtype(torch.float64)
config = transformers.MambaConfig(
    vocab_size=24,
    hidden_size=12,
    state_size=5,
    num_hidden_layers=2,
    time_step_rank=2,
    residual_in_fp32=False,
    use_associative_scan=False,
)
model = transformers.MambaForCausalLM(config).double().eval()
with torch.no_grad():
    for name, weights in model.named_parameters():
        # As it comes, many weights are 0 or 1: every one must matter.
        weights += 0.1 * torch.randn_like(weights)

tokens = torch.randint(0, config.vocab_size, (2, 13))
logits = model(tokens[:, :-1]).logits
loss = torch.nn.functional.cross_entropy(logits.reshape(-1, config.vocab_size), tokens[:, 1:].reshape(-1))
loss.backward()

x = torch.randn(2, 7, config.hidden_size, requires_grad=True)
weight = torch.randn(2, 7, config.hidden_size)
y = model.backbone.layers[0].mixer(x)
(dx,) = torch.autograd.grad((y * weight).sum(), x)
greedy = model.generate(tokens[:1, :5], max_new_tokens=12, do_sample=False)

parameters = dict(model.named_parameters())
save(
    "mamba",
    "model",
    {name: value.detach().numpy() for name, value in parameters.items()},
    torch=torch.__version__,
    transformers=transformers.__version__,
    seed=SEED,
)
save(
    "mamba",
    "expected",
    {
        "tokens": tokens.numpy(),
        "logits": logits.detach().numpy(),
        "loss": loss.detach().numpy(),
        "greedy": greedy.numpy(),
        "block.x": x.detach().numpy(),
        "block.weight": weight.numpy(),
        "block.y": y.detach().numpy(),
        "block.dx": dx.numpy(),
        **{f"grad.{name}": value.grad.numpy() for name, value in parameters.items()},
    },
    torch=torch.__version__,
    transformers=transformers.__version__,
    seed=SEED,
)
