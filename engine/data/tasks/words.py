"""Common English words, three to seven letters long, for the built-in tasks."""

_TEXT = """
ace act add age ago aid aim air all and ant any ape apt arc are ark arm art ash ask bad bag ban bar bat bay bed bee
bet big bin bit bow box boy bud bug bus but buy cab can cap car cat cow cry cub cup cut day den dew did dig dim dip
dog dot dry due ear eat egg elm end era eye fan far fat fee few fig fin fir fit fix fly fog for fox fun fur gap gas
gem get gum gun guy hat hay hen her hid hip hit hot how hub hug hut ice ill ink inn ion ivy jam jar jaw jet job jog
joy jug key kid kin kit lab lap law lay leg let lid lip log lot low mad man map mat may men met mix mob mud mug nap
net new nod not now nut oak oar oat odd off oil old one orb ore our out owl own pad pan paw pay pea pen pet pie pig
pin pit pod pot pun put rag ram ran rat raw ray red rib rid rim rip rob rod rot row rub rug run rye sad sag sap sat
saw say sea see set sew she shy sip sit six ski sky sly son sow spa spy sum sun tab tag tan tap tar tax tea ten the
tie tin tip toe ton top toy try tub tug two urn use van vat vet vow wag war wax way web wed wet who why wig win wit
wok won yak yam yes yet you zip zoo able acid aged also area army away baby back bake ball band bank barn base bath
beam bean bear beat bell belt bend best bike bill bird bite blow blue boat body bold bone book born both bowl bulb
burn bush busy cage cake call calm camp card care cart case cash cast cave cell chat chef chin city clay clip club
coal coat code coin cold come cook cool copy corn cost crab crew crop crow curl cute dark data date dawn dead deal
dear debt deck deep deer desk dial diet dirt dish dive dock door down draw drop drum duck dull dust duty each earn
east easy edge else even exit face fact fade fail fair fall fame farm fast fear feed feel file fill film find fine
fire firm fish five flag flat flow foam fold food foot fork form four free frog fuel full game gate gift girl give
glad glow glue goal goat gold golf good gray grew grow gulf hair half hall hand hang hard harm harp hawk head heal
heap hear heat help herb here hero hide high hill hire hold hole home hook hope horn host hour huge hunt hurt idea
inch iron item jazz join joke jump june jury just keen keep kick kind king kite knee knew knot know lace lake lamb
lamp land lane last late lawn lazy lead leaf lean left lens less life lift like lime line link lion list live load
loaf loan lock long look loop loud love luck lung made mail main make mall many mark mask meal mean meat meet melt
menu mild mile milk mill mind mine mint mist mode moon more moss most moth move much myth nail name navy near neat
neck need nest news next nice nine noon norm north nose note oath obey once only open oven over pace pack page pain
pair palm park part past path peak pear pick pine pink pipe plan play plot plow plum plus poem poet pole pond pool
port post pour pray pull pump pure push quit race rack rain rake rank rare rate read real rent rest rice rich ride
ring rise risk road rock role roll roof room root rope rose rule rush safe sail salt same sand save seal seat seed
seek self sell send shed ship shoe shop shot show sick side sign silk sing sink site size skin slip slow snow soap
sock soft soil some song soon sort soup spin spot star stay stem step stir stop such suit sure swan swim tail take
talk tall tank tape task team tell tent term test text than that them then they thin this tide time tiny tire toad
told tone tool torn tour town trap tree trim trip true tube tune turn twig twin type unit upon vase vast veil verb
very vest view vine vote wage wait wake walk wall warm wash wave weak wear week well west whale what wheat wheel when
wide wife wild will wind wine wing wire wise wish wolf wood wool word work worm yard year yoga zero zone about above
actor adult after again agree alarm album alert alike alive allow alone along angle angry ankle apple april apron
arena argue arise armor arrow aside asset avoid award awake bacon badge baker basic basin beach beard beast begin
being below bench berry birth black blade blame blank blend block board boast boost brain brand brass brave bread
break brick bride brief bring broad broom brown brush build bunch cabin cable camel candy canoe cargo carry catch
cause cedar chain chair chalk charm chart chase cheap check cheek cheer chess chest chief child chili choir cider
civic claim class clean clear clerk cliff climb clock cloth cloud clown coach coast cobra color coral couch count
court cover crack craft crane crash cream creek crime crisp crowd crown curve cycle daily dairy dance delay depth
diary diner ditch dizzy donor doubt dozen draft drain drama dream dress dried drift drink drive eager eagle early
earth eight elbow elder empty enemy enjoy enter entry equal error event every exact extra fable faith false fancy
feast fence ferry fever fiber field fifty fight final first flame flash fleet flesh float flock flood floor flour
flute focus force forge forty found frame fresh front frost fruit funny ghost giant given glass globe glove grace
grade grain grand grant grape graph grass great green greet group guard guess guest guide habit happy harsh heart
heavy hedge hello hobby honey honor horse hotel house human humor image index inner input ivory jelly jewel joint
judge juice knife knock known label labor large laser later laugh layer learn least leave lemon level light limit
linen liver lobby local lodge logic loose lucky lunch magic major maple march marsh match maybe mayor medal melon
mercy merge metal meter midst might minor model money month moral motor mount mouse mouth movie music naval nerve
never night noble noise novel nurse ocean offer often olive onion opera orbit order organ other otter outer owner
paint panel panic paper party pasta patch pause peace peach pearl penny phone photo piano piece pilot pitch place
plain plane plant plate plaza point polar porch pound power press price pride print prize proof proud pulse punch
pupil queen quest quick quiet quilt quite quota quote radio raise ranch range rapid ratio reach react ready realm
refer relax reply rider ridge right rival river roast robin robot rough round route royal rural salad sauce scale
scarf scene scent scope score scout sense serve seven shade shake shape share shark sharp sheep sheet shelf shell
shine shirt shock shore short shout sight skill sleep slice slope small smart smile smoke snack snake solar solid
solve sound south space spare spark speak speed spell spend spice spoon sport staff stage stair stamp stand start
state steam steel steep stick still stone store storm story stove straw study sugar sunny swamp sweet swift table
taste teach teeth thank theme there thick thing think third those three throw thumb tiger tight title toast today
token tooth torch total touch tower track trade trail train treat trend trial tribe trick truck trunk trust truth
tulip tutor twice uncle under union until upper urban usual valid value video visit vital voice waste watch water
weigh white whole widow woman world worry worth wound wrist write wrong yield young youth zebra accept action active
actual advice affair afford almost always amount anchor animal annual answer anyone arctic around artist asleep august
author autumn avenue bakery ballet banana bandit banner barrel basket battle beauty become before behind belong better
beyond bishop bitter blanket border borrow bottle bottom branch breath breeze bridge bright broken bronze bucket
budget butter button camera canary candle canvas canyon carbon career carpet carrot castle cattle center change cheese
cherry choice choose church cinema circle clever client closet coffee collar column combat comedy common copper corner
cotton county couple course cousin create credit cricket crisis custom damage danger decade decide defend degree
depend desert design detail device dinner direct doctor dollar donkey double dragon drawer driver during eighty either
eleven empire employ energy engine enough entire escape estate ethnic evolve expand expect expert fabric factor fairly
family famous farmer father fellow female figure filter finger finish flavor flight flower forest forget formal former
fossil fourth freeze friend frozen future galaxy gallery garage garden garlic gather gentle ginger glance global
golden govern grocer ground growth guitar hammer handle happen harbor harvest health heaven height helmet hidden
hockey honest hunger hunter indeed injury insect inside invest island jacket jaguar jersey jungle junior kettle kidney
kitten ladder lawyer leader league legend lesson letter likely liquid listen little lizard locate locker lounge lovely
luxury magnet mainly manage manner marble margin marine market master matter meadow medium member memory mental method
middle minute mirror mobile modern modest moment monkey mother motion muscle museum mutual narrow nation native nature
nearby nephew nickel nobody normal notice notion number object obtain office online option orange origin outfit oxygen
oyster palace parade parent parrot people pepper period permit person picnic pillow planet player please plenty pocket
poetry police policy potato powder prefer pretty prince prison profit public purple puzzle python rabbit rather reason
recall recent recipe record reduce refuse region relate remain remedy remote remove repair repeat report rescue result
return reveal reward rhythm ribbon rocket sailor salmon sample scheme school screen search season second secret select
senate senior settle shadow shrimp signal silent silver simple singer sister sketch smooth soccer social source sphere
spider spirit spread spring square stable statue status steady stream street string strong studio summer supper supply
surely switch symbol system talent target temple tennis theory thirty though thread throat ticket timber tissue tomato
tongue toward travel treaty tunnel turkey turtle twelve twenty unique useful valley vanish vessel victim violin vision
volume voyage walnut wealth weapon weekly weight window winner winter wisdom wizard wonder wooden worker yellow
balance benefit brother captain cabinet capital catalog century ceramic chapter chicken citizen climate collect
comfort company concert control council country courage culture curious current deliver deposit desktop destiny
diamond digital disease display distant drawing eastern economy educate element emotion enhance episode evening
example explain express factory fashion fiction finance fitness foreign fortune forward freedom freight general
genuine gesture granite gravity habitat harmony healthy helpful highway history holiday horizon hundred imagine
improve include initial inspect install instant journal journey justice kingdom kitchen knowing lantern leather
leopard liberty library lottery machine manager mansion massive meaning measure medical mention message mineral
miracle mission mixture monster morning musical mystery natural network nothing nuclear oatmeal observe octopus
officer opinion orchard organic outside package painter passage pattern peacock penguin perfect picture pilgrim
pioneer pitcher plastic popular portion poverty prepare present prevent primary private problem process produce
program promise protect provide purpose quality quarter railway rainbow reality receive recover reflect release
replace request respect revenue routine satisfy scholar science scratch seaside section segment service session
several shelter silence similar society soldier speaker special species sponsor stadium station storage strange
student subject success suggest support surface surgeon teacher theater therapy thought thunder tobacco tourist
trailer trouble uniform unknown utility variety vehicle venture version village vintage visible visitor volcano
warrior weather website wedding weekend welcome western whisper without witness writing
"""
WORDS: tuple[str, ...] = tuple(_TEXT.split())
