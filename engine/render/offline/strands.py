class Strands:
    on_hull = False
    def __init__(self, face, person): pass
    def draw(self, *a): pass
