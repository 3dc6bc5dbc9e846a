"""Runner of `peers.py` for kmcos (https://github.com/kmcos/kmcos); needs gfortran to build the models."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from peers_job import ENERGY, STEPS, Job, measure, read_job, report


def build(job: Job, folder: Path) -> None:
    """Write and compile the model; rates that depend on neighbours take the backend ``otf``."""
    import kmcos.cli
    from kmcos.types import Action, Bystander, Condition, Layer, Process, Project, Site

    project = Project()
    project.set_meta(author="none", email="none@example.org", model_name=job.name, model_dimension=3)
    project.add_species(name="empty")
    project.add_species(name="ion")
    layer = Layer(name="sc")
    layer.sites.append(Site(name="s", pos="0.5 0.5 0.5", default_species="empty"))
    project.add_layer(layer)
    project.lattice.cell = np.eye(3)
    project.add_parameter(name="k", value="1.0")
    project.add_parameter(name="bond", value=str(-ENERGY))

    def place(offset: tuple[int, ...]) -> object:
        return project.lattice.generate_coord("s" if not any(offset) else f"s.{offset}.sc".replace(" ", ""))

    for number, step in enumerate(STEPS):
        more: dict[str, object] = {}
        if job.name == "pairs":
            near = [s for s in STEPS if s != step]
            far = [tuple(a + b for a, b in zip(step, s, strict=True)) for s in STEPS]
            around = [(s, "near") for s in near] + [(s, "far") for s in far if any(s)]
            more["bystander_list"] = [
                Bystander(coord=place(s), allowed_species=["ion"], flag=flag) for s, flag in around
            ]
            more["otf_rate"] = "base_rate*exp(bond*min(0, nr_ion_far - nr_ion_near))"
        origin, target = place((0, 0, 0)), place(step)
        process = Process(
            name=f"hop{number}",
            rate_constant="k",
            condition_list=[Condition(coord=origin, species="ion"), Condition(coord=target, species="empty")],
            action_list=[Action(coord=origin, species="empty"), Action(coord=target, species="ion")],
            **more,
        )
        project.add_process(process)
    os.chdir(folder.parent)
    project.save_model(f"{job.name}.xml")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # f2py
    backend = "otf" if job.name == "pairs" else "local_smart"
    kmcos.cli.main(f"export {job.name}.xml {folder.name} -b {backend} -o")


def main(job: Job) -> None:
    folder = job.work / "kmcos-models" / job.name
    begin, stamp = time.time(), folder / "seconds.txt"  # how long it took to build
    if not stamp.exists():
        folder.parent.mkdir(exist_ok=True)
        build(job, folder)
        stamp.write_text(f"{time.time() - begin:.1f}")
    built = time.time() - begin
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    import kmc_model
    from kmcos.run import KMC_Model

    model = KMC_Model(size=job.size, banner=False, print_rates=False)
    ion = int(model.proclist.ion)
    for site in job.occupied():
        model._put([*job.place(site), 1], ion)
    # what model._adjust_database does, without an eval for each site (half a minute at 64³)
    by_cell = job.name == "pairs"
    touch = kmc_model.proclist.touchup_cell if by_cell else kmc_model.proclist.touchup_sc_s
    for site in range(job.n_sites):
        touch([*job.place(site), 0 if by_cell else 1])
    model.base.update_accum_rate()
    start_rate = float(model.base.get_accum_rate(len(STEPS)))
    model.do_steps(1)
    startup = time.time() - job.started - built

    hops = 0

    def run(wanted: int) -> int:
        nonlocal hops
        hops += wanted
        model.do_steps(wanted)
        return wanted

    before = float(model.base.get_kmc_time())
    found = measure(run, job.seconds)
    clock = {
        "clock_hops": hops,
        "clock": float(model.base.get_kmc_time()) - before,
        "start_rate": start_rate,
    }
    report(job, {**found, **clock, "startup": startup, "built": float(stamp.read_text())}, ("kmcos", "numpy"))


if __name__ == "__main__":
    main(read_job())
