from tests.support.fixtures import *
from tests.support.homes import *
from tests.support.network import *
import time
def test_one(connect):
    t=time.perf_counter()
    net = connect(NL, GH, BE)
    print('connect',time.perf_counter()-t)
    t=time.perf_counter()
    m = net.share(NL, GH, BE)
    print('share',time.perf_counter()-t)
    t=time.perf_counter()
    net.deliver(NL, GH)
    print('deliver',time.perf_counter()-t)
    net.deliver(NL, BE)
    print(net[NL].states(m))
    t=time.perf_counter()
    for _ in range(20): net.check()
    print('check',(time.perf_counter()-t)/20)
def test_stuck(connect):
    net = connect(NL, GH)
    m = net.share(NL, GH)
    w = net.wire(NL, GH); w.connect(); w.turn(); w._cut()
    m2 = net.share(NL, GH)
    net.deliver(NL, GH)
    print(net[NL].states(m2))
