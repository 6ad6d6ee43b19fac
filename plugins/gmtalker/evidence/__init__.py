"""The figures that GMTalker is judged by, on voices and texts that no training saw: `visema eval gmtalker`."""
