"""Write model-index.yml and the metafile of each folder of configs, from the configs themselves."""

import argparse
from pathlib import Path

from rich.progress import track

from se_backbones import config_path
from se_backbones.utils import atomic


def main(argv=None) -> None:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    from se_backbones.lab.publish.model_index import metafiles
    configs = Path(config_path())
    for name, text in track(metafiles(configs).items(), 'writing'):
        atomic.write_text(configs.parent / name, text)
        print(name)


if __name__ == '__main__':
    main()
