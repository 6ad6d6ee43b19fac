"""The offline quality: the same scene as the live renderer's, drawn with many samples.

    mesh      points of the posed face, every triangle rounded into four
    gbuffer   what is seen where, at SCALE x SCALE samples per pixel, as a list of surface points
    lights    the scene's lamps and sky as some eighty directions
    irradiance  a depth map per direction; light and shine that arrive at every point
    skin, parts  what the light meets: scattering skin, wet mouth, cloth; eyes with a true cornea
    strands   hair, brows and lashes as fibres
    renderer  the stage that puts all together
"""
