"""What trains is settled at construction: optimizers, two ranks and a resume see the same before and after loading."""

import sys

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from helpers import init_from
from processes import run_ranks

OP = dict(type='GatherExcite', variant='theta', extent=2)


def network(path=None, **kwargs):
    """A backbone as a detector has it: frozen first stage, frozen norms, gates in every stage."""
    settings = dict(type='se_backbones.ResNet', depth=(1, 1, 1), base_channels=4, frozen_stages=1, norm_eval=True,
                    norm_cfg=dict(type='BN', requires_grad=False), context=dict(op=OP), **kwargs)
    return MODELS.build(dict(settings, init_cfg=path and dict(type='Pretrained', checkpoint=path)))


@pytest.fixture
def plain(tmp_path):
    net = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1, 1), base_channels=4))
    return init_from(net, tmp_path)['checkpoint']


def moved(before, net):
    return {name for name, p in net.named_parameters() if not torch.equal(before[name], p.detach())}


def expected(net):
    return {name for name, p in net.named_parameters() if p.requires_grad}


def test_gates_train_in_the_frozen_stage_and_frozen_tensors_do_not_move(plain):
    net = network(plain)
    net.init_weights()
    net.train()
    optimizer = build_optim_wrapper(net, dict(
        optimizer=dict(type='Adam', lr=1e-2, weight_decay=1e-4),
        paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={'.context.': dict(lr_mult=2.0)})))
    groups = {group['lr'] for group in optimizer.optimizer.param_groups}
    assert groups == {1e-2, 2e-2}
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for _ in range(3):
        optimizer.update_params(net(torch.randn(4, 3, 64, 64))[0].square().mean())
    assert moved(before, net) == expected(net)
    assert any(name.startswith('layer1.0.context') for name in expected(net))
    assert not any(name.startswith('layer1.0.conv') for name in expected(net))


def test_a_resume_continues_as_if_there_had_been_no_break(plain, tmp_path):
    batches = torch.randn(4, 4, 3, 64, 64)

    def run(net, optimizer, part):
        for batch in part:
            optimizer.zero_grad()
            net.train()(batch)[0].square().mean().backward()
            optimizer.step()

    def start():
        net = network(plain)
        return net, torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    net, optimizer = start()
    net.init_weights()
    run(net, optimizer, batches[:2])
    torch.save(dict(net=net.state_dict(), optimizer=optimizer.state_dict()), tmp_path / 'latest.pth')
    run(net, optimizer, batches[2:])

    # A Runner that resumes initialises, which inserts, and then loads what it saved.
    again, optimizer = start()
    again.init_weights()
    state = torch.load(tmp_path / 'latest.pth')
    again.load_state_dict(state['net'])
    optimizer.load_state_dict(state['optimizer'])
    run(again, optimizer, batches[2:])
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))


def _rank(rank, path, folder):
    distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    net = network(path)
    # As the Runner does: wrap and build the optimizer first, load afterwards, then send rank 0's tensors to all.
    parallel = DistributedDataParallel(net, broadcast_buffers=False)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    net.init_weights()
    for tensor in net.state_dict().values():
        distributed.broadcast(tensor, 0)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    parallel.train()
    torch.manual_seed(rank)
    for _ in range(3):
        optimizer.zero_grad()
        parallel(torch.randn(4, 3, 64, 64))[0].square().mean().backward()
        optimizer.step()
    assert moved(before, net) == expected(net)
    torch.save({name: p.detach() for name, p in net.named_parameters()}, f'{folder}/rank{rank}.pth')
    distributed.destroy_process_group()


def test_two_ranks_stay_equal_and_leave_no_parameter_without_gradient(plain, tmp_path):
    run_ranks(__file__, plain, tmp_path)
    first, second = (torch.load(tmp_path / f'rank{rank}.pth') for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


if __name__ == '__main__':
    _rank(int(sys.argv[1]), *sys.argv[2:])
