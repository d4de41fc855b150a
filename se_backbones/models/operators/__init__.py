"""The papers' operators, ``(N, C, H, W) -> (N, C, H, W)``: ``x * gate(excite(gather(x)))``."""

from se_backbones.models.operators.base import ContextOperator
from se_backbones.models.operators.build import build_operator, validate_operator
from se_backbones.models.operators.gather_excite import GatherExcite
from se_backbones.models.operators.squeeze_excite import SqueezeExcite

__all__ = ['ContextOperator', 'GatherExcite', 'SqueezeExcite', 'build_operator', 'validate_operator']
