"""What a drill came to: the document behind its report, and what its times say about larger sizes."""
