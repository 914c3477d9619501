"""Trains and judges the trials of an ablation."""


LOG_FOLDER = "logs"


def run_trials(trials: Sequence[Trial], parallel_evaluations: int, stop: StopRequest) -> list[str]:
    """Trains and evaluates what is missing of `trials`; returns what failed, a message each.

    Raises:
        ValueError: a trial's folder holds another policy; nothing was started.
        Stopped: a stop was requested; what ran has saved what it has.
        OSError: a folder cannot be written.
    """
    for trial in trials:
        trial.prepare()
    failures: list[str] = []
    evaluations: list[tuple[Trial, Future[None]]] = []
    with ThreadPoolExecutor(parallel_evaluations, thread_name_prefix="evaluation") as pool:
        for trial in trials:
            try:
                _run(trial, trial.training, stop, sys.stdout)
            except StageFailure as failure:
                failures.append(_report(trial, failure))
                continue
            if trial.evaluation is not None:
                # Without progress: the terminal has one line, which is the training's.
                evaluations.append((trial, pool.submit(_run, trial, trial.evaluation, stop, io.StringIO())))
        for trial, evaluation in evaluations:
            try:
                evaluation.result()
            except StageFailure as failure:
                failures.append(_report(trial, failure))
    return failures


def _run(trial: Trial, stage: PipelineStage, stop: StopRequest, terminal: TextIO) -> None:
    label = f"{trial.name}, seed {trial.seed}, {stage.name}:"
    if stage.is_finished(stage.output):
        print(f"{label} already there", flush=True)
        return
    if stop.number is not None:
        raise Stopped(stop.number, f"before {label[:-1]}")
    print(f"{label} {stage}", flush=True)
    logs = trial.folder / LOG_FOLDER
    logs.mkdir(exist_ok=True)
    run_stage(stage, logs / f"{stage.name}.log", terminal, stop)
    print(f"{label} finished", flush=True)


def _report(trial: Trial, failure: StageFailure) -> str:
    message = f"{trial.name}, seed {trial.seed}: {failure}"
    print(message, flush=True)
    return message
