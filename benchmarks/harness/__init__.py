"""The harness: what `visema bench` measures, one file per benchmark, and what they share.

    command.py     options, and which benchmark is where        report.py   terminal, JSON, Chrome trace, HTML
    marks.py       a voice with marks in it                     plots.py    plots as SVG
    stamp.py       numbers painted into pictures                spans.py    who worked when
    figures.py     percentiles, and on what they were measured  rig.py      a server with stamps, in its own process
    peer.py        a WebRTC peer that decodes what comes
"""
