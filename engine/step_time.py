"""How long a step will take, roughly, from its configuration, the sizes of its model and the speed of this machine.

A sum of products and reads, for a transformer with a gated feed-forward layer, as engine/memory.py counts it; light,
arithmetic. Sampling reads every weight once for each token; updates are bound by products; a tiny model by the number
of operations, each of which takes its time to begin. docs/models.md says how far from real steps it was.

L prompt tokens, T completion tokens, P prompts of a step with G completions each, B = P·G.
"""

from dataclasses import dataclass

from engine.config import RunConfig
from engine.config_loss import updates_per_batch
from engine.machine_speed import MachineSpeed
from engine.memory import FLOAT32, lora_parameters
from engine.models.folder import ModelFacts
from engine.models.shape import ModelShape

# What one layer's forward pass costs before anything is computed, in small operations of torch: projections, norms,
# rotary embedding, attention, cache and activation, with what Python does around them. LoRA adds to each of 7 linear
# layers two products, a scale and a sum. Fitted to steps of the embedded model; backward passes make twice as many.
LAYER_OPERATIONS, LORA_OPERATIONS, PASS_OPERATIONS = 330, 150, 1000
BACKWARD = 2
# Numbers that an update moves for each trained weight: gradients written, zeroed and clipped, and AdamW, whose ten
# operations each read and write. Fitted to SmolLM2 with all weights trained.
OPTIMIZER_NUMBERS = 20
# A step takes so many times what its products, reads and beginnings add up to: sampling from the logits, attention, the
# cache, activations kept for the way back. Fitted to the four cases of benchmarks/step_time.py on a quiet machine, in
# which sampling took 1.9 to 2.9 times the sum, and updates 1.3 to 2.3 times.
ROLLOUT_FACTOR, UPDATE_FACTOR = 2.2, 1.65
SHORTEST = 0.25  # of the completion limit: where the range begins
# Measured steps were between 1 / MARGIN and MARGIN times the estimate for their own lengths.
MARGIN = 2.0


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step when every completion has `completion_tokens` tokens; `reference_s` is part of an update."""

    completion_tokens: float
    rollout_s: float
    reference_s: float
    update_s: float

    @property
    def total_s(self) -> float:
        return self.rollout_s + self.reference_s + self.update_s


@dataclass(frozen=True)
class TimeRange:
    """Seconds of a step, from short completions on a good day to whole ones on a bad day."""

    low_s: float
    high_s: float
    whole: StepTime


def time_range(config: RunConfig, facts: ModelFacts, prompt_tokens: int, speed: MachineSpeed) -> TimeRange | None:
    """The range for a step, without rewards, evaluations and checkpoints; None for a model of unknown sizes."""
    limit = config.rollout.max_completion_length
    whole = step_time(config, facts, prompt_tokens, limit, speed)
    short = step_time(config, facts, prompt_tokens, max(1.0, SHORTEST * limit), speed)
    if whole is None or short is None:
        return None
    return TimeRange(short.total_s / MARGIN, whole.total_s * MARGIN, whole)


def step_time(
    config: RunConfig, facts: ModelFacts, prompt_tokens: int, completion_tokens: float, speed: MachineSpeed
) -> StepTime | None:
    """The parts of a step whose completions have this many tokens each."""
    if facts.shape is None or not facts.parameters:
        return None
    work = _Work(config, facts.shape, prompt_tokens, completion_tokens, speed)
    rollout, reference, updates = work.rollout(), work.forward(lora=False), work.updates()
    return StepTime(completion_tokens, ROLLOUT_FACTOR * rollout, UPDATE_FACTOR * reference, UPDATE_FACTOR * updates)


@dataclass(frozen=True)
class _Work:
    config: RunConfig
    shape: ModelShape
    prompt_tokens: int
    completion_tokens: float
    speed: MachineSpeed

    @property
    def is_lora(self) -> bool:
        return self.config.model.adapter == "lora"

    @property
    def head(self) -> int:
        return self.shape.hidden * self.shape.vocabulary

    @property
    def completed(self) -> float:
        """Completion tokens of a step, B · T."""
        return self.config.rollout.prompts_per_step * self.config.rollout.num_generations * self.completion_tokens

    @property
    def read(self) -> float:
        """Tokens that a pass over the step takes in: each prompt once, and the completions."""
        return self.config.rollout.prompts_per_step * self.prompt_tokens + self.completed

    @property
    def calls(self) -> float:
        """Calls of the model in a pass over the step: for each micro-batch one with prompts, one with completions."""
        return 2 * max(1.0, self.read / self.config.optim.micro_batch_tokens)

    @property
    def reading(self) -> float:
        """Seconds in which every weight of the layers is read once."""
        return layer_weights(self.shape) * FLOAT32 / self.speed.weight_bytes

    def begin(self, *, lora: bool) -> float:
        """Seconds in which one forward pass begins its operations."""
        of_a_layer = LAYER_OPERATIONS + (LORA_OPERATIONS if lora else 0)
        return (self.shape.layers * of_a_layer + PASS_OPERATIONS) * self.speed.operation_s

    def rollout(self) -> float:
        """Each prompt once through the layers; then, for every token, every weight is read and multiplied."""
        prompts = self.config.rollout.prompts_per_step * self.prompt_tokens
        rows = self.config.rollout.prompts_per_step * self.config.rollout.num_generations
        weights = layer_weights(self.shape) + self.head + (self._adapter() if self.is_lora else 0)
        read = weights * FLOAT32 / self.speed.weight_bytes
        multiplied = 2 * weights * rows / self.speed.matmul_flops
        prefill = 2 * layer_weights(self.shape) * prompts / self.speed.matmul_flops
        return prefill + self.completion_tokens * (max(read, multiplied) + self.begin(lora=self.is_lora))

    def forward(self, *, lora: bool) -> float:
        """One pass over the step: 2 operations a weight and token, the head at completion tokens only."""
        weights = layer_weights(self.shape) + (self._adapter() if lora else 0)
        flops = 2 * weights * self.read + 2 * self.head * self.completed
        return flops / self.speed.matmul_flops + self.calls * (self.begin(lora=lora) + self.reading)

    def updates(self) -> float:
        """Forward and backward for each update on the batch, and the optimizer over what is trained.

        Backward is a second product for the gradient of the states, and with all weights trained a third for theirs.
        """
        again = 1 if self.is_lora else 2
        layers = 2 * (layer_weights(self.shape) * again + (2 * self._adapter() if self.is_lora else 0)) * self.read
        backward = (layers + 2 * again * self.head * self.completed) / self.speed.matmul_flops
        backward += self.calls * (BACKWARD * self.begin(lora=self.is_lora) + again * self.reading)
        updates = updates_per_batch(self.config.loss)
        return (self.forward(lora=self.is_lora) + backward) * self.config.loss.num_iterations + updates * self._adamw()

    def _adamw(self) -> float:
        """Clipping and AdamW move every trained number several times, tensor by tensor."""
        trained = self._adapter() if self.is_lora else layer_weights(self.shape) + self.head
        tensors = self.shape.layers * (14 if self.is_lora else 9)
        return OPTIMIZER_NUMBERS * FLOAT32 * trained / self.speed.weight_bytes + 12 * tensors * self.speed.operation_s

    def _adapter(self) -> int:
        return lora_parameters(self.shape, self.config.model.lora_rank)


def layer_weights(shape: ModelShape) -> int:
    """Weights of the linear layers, the head left out: queries, keys, values, output, gate, up and down."""
    attention = shape.hidden * (2 * shape.attention + 2 * shape.kv)
    return shape.layers * (attention + 3 * shape.hidden * shape.intermediate)
