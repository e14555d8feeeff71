"""Where results are kept: a folder, or any S3-compatible server, behind one idea (`base.Store`).

Everything read or written here is whole or absent. Third-party errors are translated at the edge (`faults`); boto3 is
imported in one file (`boto`), when a store on S3 is opened.
"""
