"""The head generator of GMTalker (section 3.4, appendix A.1): a plain rendering becomes a person's portrait.

    plain rendering, shoulder mask -> StyleUNet -> portrait of the face -> blended into the live picture
    emotion, intensity -> emotion mapping network -> style code ---^
"""
