"""The languages a corpus may be in: every code that any of the detectors can give.

ISO 639-1, else 639-3, as `transforms.languages.detectors` translates them. A test compares the list with
the detectors that are installed.
"""

_CODES = """
    aa ab ace af ak am an ar ary arz as ast av ay az azb ba bar bcl be bg bho bi bn bo bpy br bs bxr
    ca cbk ce ceb chr ckb co crh crs cs cv cy da de diq dsb dty dv dz ee egl el en eo es et eu ext
    fa fi fj fo fr frr fuv fy ga gaa gcf gcr gd gl gn gom grc gsw gu guw gv ha haw he hi hif hmn hr
    hsb ht hu hy ia id ie ig ik ilo io is it iu ja jbo jv ka kab kha ki kk kl km kn ko krc kri ks ku
    kv kw ky la lb lez lg li lif lij lmo ln lo loz lrc lt ltg lua luo lv mai mfe mg mhr mi min mk ml
    mn mr mrj ms mt mwl my myv mzn na nah nap nds ne new nl nn no nr nso ny oc om or os pa pam pcm
    pfl pl pms pnb ps pt qu raj rm rn ro ru rue rw sa sah sc scn sco sd sdh se sg si sk sl sm sn so
    sq sr ss st su sv sw syr ta te tg th ti tk tl tn to tr ts tt tum tw tyv ug uk ur uz ve vec vep
    vi vls vo wa war wo wuu xal xh xmf yi yo yue za zh zu
"""
LANGUAGES = frozenset(_CODES.split())
