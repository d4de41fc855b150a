"""Ranks see other images, so the running statistics of gather norms drift apart; shipped detectors average them."""

import sys
from types import SimpleNamespace

import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import se_backbones
from processes import run_ranks


def _rank(rank, folder):
    distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    torch.manual_seed(0)
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4, norm_eval=True,
                            context=dict(op=dict(type='GatherExcite', variant='theta', extent=8))))
    parallel = DistributedDataParallel(net, broadcast_buffers=False).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    torch.manual_seed(rank)
    for _ in range(5):
        optimizer.zero_grad()
        parallel(torch.randn(2, 3, 64, 64) * (1 + rank))[0].square().mean().backward()
        optimizer.step()
    buffers = {name: value.clone() for name, value in net.named_buffers() if 'running' in name}
    hooks = Config.fromfile(se_backbones.config_path('faster_rcnn_ge_r50.py')).custom_hooks
    for hook in map(HOOKS.build, hooks):
        hook.after_train_epoch(SimpleNamespace(model=parallel))
    after = {name: value.clone() for name, value in net.named_buffers() if 'running' in name}
    torch.save(dict(before=buffers, after=after), f'{folder}/rank{rank}.pth')
    distributed.destroy_process_group()


def test_a_shipped_detectors_hook_gives_all_ranks_the_mean(tmp_path):
    run_ranks(__file__, tmp_path)
    one, two = (torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1))
    drifted = [name for name, value in one['before'].items()
               if not torch.allclose(value, two['before'][name], rtol=0.05)]
    assert drifted and all('.context.' in name for name in drifted)
    for name, value in one['after'].items():
        assert torch.equal(value, two['after'][name])
        torch.testing.assert_close(value, (one['before'][name] + two['before'][name]) / 2)


if __name__ == '__main__':
    _rank(int(sys.argv[1]), sys.argv[2])
