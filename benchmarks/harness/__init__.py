"""The harness: what `visema bench` measures, one file per benchmark, and what they share.

    command.py     options, and which benchmark is where     report.py    terminal, JSON, Chrome trace, HTML
    marks.py       a voice with marks in it                  plots.py     plots as SVG
    stamp.py       numbers painted into pictures             spans.py     who worked when
    timeline.py    latency and offset from marks and stamps  figures.py   percentiles, device, commit
    rig.py         a server with stamps, in its own process  peer.py      a WebRTC peer that decodes what comes
    bad_line.py    both directions of a peer's line          chromium.py  what a browser says by itself
    relay.py       a bad line to a browser                   lips.py      lip quality at each look-ahead
    namespace.py   a network of a benchmark's own            netem.py     its bad lines, made by the kernel
    everything.py  all, one after the other                  apart.py     one, in a process of its own

    latency.py  lookahead.py  interrupt.py  throughput.py  network.py  drift.py  soak.py  parts.py (encoder, lips)
    baselines.py   drive.py (our networks, driven as others do), layouts.py (queues of peers, simulated),
                   runner.py (any other engine), toy_runner.py

A benchmark is a function of a configuration and of seconds that gives a `report.Result`; `command.BENCHMARKS` lists it.
"""
