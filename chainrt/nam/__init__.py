"""Neural Amp Modeler files: `file` reads and checks, one module per architecture, `levels` names the sizes."""
