"""The outcome of a run: the kept epoch, the probe, the meaning of the symptoms, warnings."""

from dataclasses import asdict

from vip_core.evaluation.meaning import Meaning
from vip_core.evaluation.measure import Evaluation
from vip_core.evaluation.probe import Probe
from vip_core.evaluation.reliance import Reliance
from vip_core.models.card import EpochInfo, Learning, MeaningInfo
from vip_core.training.config import TrainConfig
from vip_core.training.state import TrainingState

FOLLOWS = 0.5  # a smaller share of predictions that follow exchanged lists: the tokens decide
TOKEN_SHARE = 0.5  # or a larger share of a logit difference
BELOW_PROBE = 0.05  # AUROC on validation images
SAME_LOSS = 0.005  # relative difference of validation losses that is too small to matter
RISE = 2.0  # times the first epoch's training loss: the run diverged


def describe_learning(
    state: TrainingState, config: TrainConfig, val: Evaluation, probe: Probe | None, before: Meaning, after: Meaning
) -> Learning:
    """What a run did, for the card.

    Args:
        state: of the finished training.
        config: of the run.
        val: the trained model on validation images.
        probe: fitted on the same features.
        before: the model as initialised, on validation images.
        after: the trained model, on the same.
    """
    names = ("loss", "val_accuracy", "val_loss")
    places = {"first": 0, "kept": state.best_epoch, "last": -1}
    epochs = {name: EpochInfo(**dict(zip(names, state.history[place], strict=True))) for name, place in places.items()}
    probes = {} if probe is None else probe.auroc
    own = None if val.metrics.auroc is None else val.metrics.auroc.value
    found = [
        _unchanged(state, config),
        _diverged(state, config),
        None if val.reliance is None else _tokens_decide(val.reliance, config),
        _below_probe(own, probes.get("val"), config),
    ]
    return Learning(
        kept_epoch=state.best_epoch,
        epochs=epochs,
        probe=probes,
        before=MeaningInfo(**asdict(before)),
        after=MeaningInfo(**asdict(after)),
        warnings=[sentence for sentence in found if sentence],
    )


def _unchanged(state: TrainingState, config: TrainConfig) -> str | None:
    first, kept = state.history[0], state.history[state.best_epoch]
    same = kept[1] == first[1] and abs(kept[2] - first[2]) <= SAME_LOSS * first[2]
    if len(state.history) < 2 or (state.best_epoch > 0 and not same):
        return None
    advice = "a higher --rate" if config.method == "vip-adapter" else "--method vip-adapter or a higher --rate"
    return (
        "The prompts are as initialised: training changed nothing. On validation images no later epoch was better than "
        f"the first. Try {advice}, or more images."
    )


def _diverged(state: TrainingState, config: TrainConfig) -> str | None:
    first, last = state.history[0], state.history[-1]
    if not state.diverged and last[0] <= RISE * first[0]:
        return None
    how = (
        f"is not finite after epoch {state.epoch - 1}"
        if state.diverged
        else f"rose from {first[0]:.3g} to {last[0]:.3g}"
    )
    return f"Training diverged: its loss {how}. Try a lower --rate than {config.rate:g}."


def _tokens_decide(reliance: Reliance, config: TrainConfig) -> str | None:
    if reliance.swap_follow_rate >= FOLLOWS and reliance.class_token_share <= TOKEN_SHARE:
        return None
    advice = "a lower --rate" if config.swap else "--swap 0.5 or a lower --rate"
    return (
        f"The class tokens decide, not the symptoms: {reliance.swap_follow_rate:.0%} of the predictions follow when "
        f"the lists are exchanged, and the tokens account for {reliance.class_token_share:.0%} of "
        f"the difference between two logits. Try {advice}."
    )


def _below_probe(own: float | None, probe: float | None, config: TrainConfig) -> str | None:
    if own is None or probe is None or own >= probe - BELOW_PROBE:
        return None
    advice = "more epochs or a higher --rate"
    if config.method != "vip-adapter":
        advice = "--method vip-adapter"
    elif not config.train_prompts:  # closes most of the gap, at a price: docs/method.md
        advice = "--train-prompts and look at what the symptoms then mean, or more epochs"
    return (
        f"A logistic regression on the same image features has a validation AUROC of {probe:.3f}, "
        f"this model {own:.3f}. Try {advice}."
    )
