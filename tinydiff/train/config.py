"""Config: the settings of a diffusion model's training."""

from dataclasses import dataclass, field

from ..backend.errors import ConfigError
from .settings import Settings

LAB_T = 150  # steps of the labs' process


@dataclass(frozen=True)
class Config(Settings, kind="diffusion"):
    """The settings of one run. Raises ConfigError for an impossible value."""

    data: str = "digits"
    model: str = "unet"
    net: dict = field(default_factory=dict)  # arguments of the model's constructor
    # the process
    schedule: str = "cosine"
    T: int = 1000
    times: str = "stratified"  # how the t of a batch are drawn
    # what is learned
    predicts: str = "v"
    weight: str = "simple"
    drop_labels: float = 0.1  # of a model that is told labels (net: classes), how often it is not
    variance: str = "posterior"  # of p(x_{t-1} | x_t); "learned": the model gives it as well
    # how it is learned
    batch: int = 64
    lr: float = 1e-3
    decay: str = "cosine"  # of lr; "plateau": x0.95 after 2 epochs without a smaller loss
    warmup: int = 50  # steps of rising lr before the cosine
    beta2: float = 0.99
    weight_decay: float = 0.0
    grad_clip: float = 1.0
    ema: float = 0.995
    # what is seen of it meanwhile
    look_every: int = 0  # steps between two looks at held-out data and at samples; 0: never
    look_rows: int = 100  # held-out rows of which the bound is estimated
    look_times: int = 10  # t for each of them
    # what is made of it
    sampler: str = "ddim"
    sample_steps: int = 50
    guidance: float = 1.0  # of samples by label: 1 is the model's own conditional distribution
    n_judged: int = 500  # samples in the report
    judge_steps: int = 500  # training steps of the classifier that judges images
    floor_draws: int = 134  # draws of x_t at each t, where the least possible loss is known

    choices = {
        "model": ("unet", "transformer", "lab_unet", "mlp"),
        "schedule": ("linear", "cosine", "sigmoid", "lab", "lab_repaired"),
        "times": ("uniform", "stratified"),
        "predicts": ("eps", "x0", "v", "score"),
        "variance": ("posterior", "beta", "learned"),
        "decay": ("cosine", "plateau"),
        "weight": ("simple", "vlb", "snr", "min_snr", "p2"),
        "sampler": ("ddpm", "ddim", "euler", "heun", "dpmpp_2m"),
    }
    at_least = {
        "T": 1, "batch": 1, "warmup": 0, "sample_steps": 1, "judge_steps": 1, "n_judged": 10,
        "weight_decay": 0, "floor_draws": 1, "look_every": 0, "look_rows": 1, "look_times": 1,
    }  # fmt: skip
    positive = ("lr", "grad_clip")
    fractions = ("ema", "beta2", "drop_labels")

    def check(self):
        super().check()
        if self.sample_steps > self.T:
            raise ConfigError(
                f"sample_steps = {self.sample_steps} visits more times than there are: T = {self.T}"
            )
        if type(self.classes) is not int or self.classes < 0:
            raise ConfigError(
                f"classes in net must be a whole number, 0 for no labels, got {self.classes!r}"
            )
        if self.guidance != 1 and not self.classes:
            raise ConfigError(
                f"guidance = {self.guidance:g} needs a model that is told labels: set classes in "
                "net to how many there are, or leave guidance at 1"
            )
        if self.guidance != 1 and not self.drop_labels:
            raise ConfigError(
                f"guidance = {self.guidance:g} needs a model that has learned to do without labels "
                "too: set drop_labels above 0, or leave guidance at 1"
            )
        if self.decay == "plateau" and self.warmup:
            raise ConfigError(f"decay = 'plateau' has no warm-up: warmup is 0, not {self.warmup}")
        if self.schedule == "lab_repaired" and self.T <= LAB_T:
            raise ConfigError(
                f"schedule = 'lab_repaired' goes on after the lab's {LAB_T} steps: T must be more, "
                f"got {self.T}"
            )

    @property
    def classes(self):
        """How many labels the model can be told; 0: none."""
        return self.net.get("classes", 0)

    def run(self, folder, saved=None, **options):
        from .job import run  # the job knows Config, not the other way round

        return run(self, folder, saved, **options)
