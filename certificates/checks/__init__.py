"""Whether a certificate may be served: what people upload and what authorities send is judged here. Pure.

`reading` makes a `Material` of files, `judging` says whether it may be installed for some names at some time.
Everything that is wrong is a `CertificateRefused`, whose sentence says what to do.
"""
